{%- set single = ["given_name", "family_name", "birth_date", "country"] -%}
{%- set registers = [
    (ref("stg_pos__members"), "pos", "loyalty_id", "enrolled_at"),
    (ref("stg_erp__customers"), "erp", "customer_id", "created_at"),
] -%}
{%- set events = [(ref("stg_web__events"), "web"), (ref("stg_app__events"), "app")] -%}

with resolved as (
    select * from {{ source("identity", "resolved") }}
    where profile_id is not null
),

rules as (
    select * from {{ ref("survivorship") }}
),

records as (
    {%- for relation, source, key, begun_at in registers %}
        select
            signal_id,
            given_name,
            family_name,
            birth_date,
            street_address,
            city,
            postal_code,
            country,
            coalesce({{ known("updated_at") }}, {{ begun_at }}) as written_at,
            '{{ source }}' as source,
            concat('{{ source }}:', {{ key }}) as record_id
        from {{ relation }}
        union all
    {%- endfor %}
    {%- for relation, source in events %}
        select
            signal_id,
            given_name,
            family_name,
            birth_date,
            cast(null as {{ type_text() }}) as street_address,
            city,
            postal_code,
            country,
            occurred_at as written_at,
            '{{ source }}' as source,
            concat('{{ source }}:', event_id) as record_id
        from {{ relation }}
        where coalesce(given_name, family_name, city, postal_code, country) is not null
        {{ "union all" if not loop.last }}
    {%- endfor %}
),

said as (
    select
        resolved.profile_id,
        records.*
    from records
    inner join resolved on records.signal_id = resolved.signal_id
),

candidates as (
    {%- for attribute in single %}
        select
            profile_id,
            '{{ attribute }}' as attribute,
            cast({{ attribute }} as {{ type_text() }}) as value,
            cast(null as {{ type_text() }}) as city,
            cast(null as {{ type_text() }}) as postal_code,
            source,
            written_at,
            record_id,
            1 as record_count
        from said
        where {{ attribute }} is not null
        union all
    {%- endfor %}
    -- an address stays whole
    select
        profile_id,
        'address' as attribute,
        concat_ws(', ', street_address, postal_code, city) as value,
        city,
        postal_code,
        source,
        written_at,
        record_id,
        1 as record_count
    from said
    where coalesce(city, postal_code) is not null
    union all
    -- never one that too many people share
    select
        profile_id,
        identifier_type as attribute,
        identifier_value as value,
        cast(null as {{ type_text() }}) as city,
        cast(null as {{ type_text() }}) as postal_code,
        source,
        last_seen_at as written_at,
        concat(source, ':', identifier_value) as record_id,
        record_count
    from {{ source("identity", "identifiers") }}
    where identifier_type in ('email', 'phone') and not is_demoted
),

judged as (
    select
        candidates.*,
        rules.strategy,
        case candidates.source
            when 'erp' then rules.erp
            when 'pos' then rules.pos
            when 'web' then rules.web
            when 'app' then rules.app
        end as trust,
        case when rules.strategy = 'most_frequent' then sum(candidates.record_count) over (
            partition by candidates.profile_id, candidates.attribute, lower(candidates.value)
        ) end as value_count
    from candidates
    inner join rules on candidates.attribute = rules.attribute
),

ranked as (
    select
        *,
        row_number() over (
            partition by profile_id, attribute
            order by
                value_count desc,
                case when strategy <> 'most_recent' then trust end asc nulls last,
                written_at desc nulls last,
                trust asc nulls last,
                record_count desc,
                record_id desc,
                value asc
        ) as standing
    from judged
),

counts as (
    select
        profile_id,
        attribute,
        count(distinct lower(value)) as candidate_count
    from candidates
    group by profile_id, attribute
),

survivors as (
    select
        ranked.profile_id,
        ranked.attribute,
        ranked.value,
        ranked.city,
        ranked.postal_code,
        ranked.source,
        ranked.written_at,
        ranked.strategy,
        counts.candidate_count
    from ranked
    inner join counts
        on ranked.profile_id = counts.profile_id and ranked.attribute = counts.attribute
    where ranked.standing = 1
)

select * from survivors
