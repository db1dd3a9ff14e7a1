with identifiers as (
    select * from {{ source("identity", "identifiers") }}
),

demoted as (
    select * from {{ source("identity", "demoted") }}
),

ties as (
    select * from {{ source("identity", "ties") }}
),

-- The source that showed the identifier first is the one that is named.
ranked as (
    select
        *,
        row_number() over (
            partition by profile_id, identifier_type, identifier_value
            order by first_seen_at asc nulls last, source asc
        ) as sighting
    from identifiers
),

grouped as (
    select
        profile_id,
        identifier_type,
        identifier_value,
        max(case when sighting = 1 then source end) as source,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at,
        cast(count(distinct source) as integer) as source_count,
        cast(sum(record_count) as bigint) as record_count,
        max(held_until) as held_until
    from ranked
    group by profile_id, identifier_type, identifier_value
),

final as (
    select
        grouped.profile_id,
        grouped.identifier_type,
        grouped.identifier_value,
        grouped.source,
        grouped.first_seen_at,
        grouped.last_seen_at,
        grouped.source_count,
        grouped.record_count,

        -- why it is the person's
        ties.joined_to_type,
        ties.joined_to_value,
        ties.joined_by,
        ties.joined_via,
        ties.joined_at,
        ties.joined_score,
        cast(ties.steps_to_anchor as integer) as steps_to_anchor,

        -- or why it is nobody's
        grouped.held_until,
        grouped.held_until is not null or demoted.identifier_value is not null as is_demoted,
        case
            when grouped.held_until is not null then 'was passed on to another person'
            else demoted.reason
        end as demoted_because,
        demoted.person_count,
        demoted.person_limit
    from grouped
    left join ties
        on
            grouped.identifier_type = ties.identifier_type
            -- A condition on one side alone would have every row compared with every other.
            and case when grouped.held_until is null then grouped.identifier_value end
            = ties.identifier_value
    left join demoted
        on
            grouped.identifier_type = demoted.identifier_type
            and grouped.identifier_value = demoted.identifier_value
)

select * from final
