{%- set address_standing = "case when coalesce(city, postal_code) is not null then standing end" -%}

with resolved as (
    select * from {{ source("identity", "resolved") }}
    where profile_id is not null
),

-- What staff or the person entered in a register comes before what an account says of itself.
records as (
    select
        signal_id,
        given_name,
        family_name,
        birth_date,
        city,
        postal_code,
        country,
        coalesce({{ known("updated_at") }}, enrolled_at) as written_at,
        2 as weight,
        concat('pos:', loyalty_id) as record_id
    from {{ ref("stg_pos__members") }}
    union all
    select
        signal_id,
        given_name,
        family_name,
        birth_date,
        city,
        postal_code,
        country,
        coalesce({{ known("updated_at") }}, created_at) as written_at,
        2 as weight,
        concat('erp:', customer_id) as record_id
    from {{ ref("stg_erp__customers") }}
    union all
    select
        signal_id,
        given_name,
        family_name,
        birth_date,
        city,
        postal_code,
        country,
        occurred_at as written_at,
        1 as weight,
        concat('web:', event_id) as record_id
    from {{ ref("stg_web__events") }}
    where coalesce(given_name, family_name, city, postal_code, country) is not null
    union all
    select
        signal_id,
        given_name,
        family_name,
        birth_date,
        city,
        postal_code,
        country,
        occurred_at as written_at,
        1 as weight,
        concat('app:', event_id) as record_id
    from {{ ref("stg_app__events") }}
    where coalesce(given_name, family_name, city, postal_code, country) is not null
),

ranked as (
    select
        resolved.profile_id,
        records.*,
        row_number() over (
            partition by resolved.profile_id
            order by records.weight asc, records.written_at asc nulls first, records.record_id asc
        ) as standing
    from records
    inner join resolved on records.signal_id = resolved.signal_id
),

-- Each attribute from the record with the highest standing that has it; an address stays whole.
attributes as (
    select
        profile_id,
        {{ latest_known("given_name", "standing") }} as given_name,
        {{ latest_known("family_name", "standing") }} as family_name,
        {{ latest_known("birth_date", "standing") }} as birth_date,
        nullif({{ latest_known("coalesce(city, '')", address_standing) }}, '') as city,
        nullif({{ latest_known("coalesce(postal_code, '')", address_standing) }}, '')
            as postal_code,
        {{ latest_known("country", "standing") }} as country
    from ranked
    group by profile_id
)

select * from attributes
