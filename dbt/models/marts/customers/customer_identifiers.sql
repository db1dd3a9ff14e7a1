with identifiers as (
    select * from {{ source("identity", "identifiers") }}
),

demoted as (
    select distinct
        identifier_type,
        identifier_value
    from {{ source("identity", "demoted") }}
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
        cast(sum(record_count) as bigint) as record_count
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
        demoted.identifier_value is not null as is_demoted
    from grouped
    left join demoted
        on
            grouped.identifier_type = demoted.identifier_type
            and grouped.identifier_value = demoted.identifier_value
)

select * from final
