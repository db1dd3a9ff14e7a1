with source as (
    select
        *,
        {{ written_at("customer_id", "updated_at") | indent(8) }} as written_at
    from {{ source("raw", "erp_customers") }}
),

versions as (
    select
        *,
        row_number() over (
            partition by customer_id
            order by {{ newest_first("written_at") | indent(12) }}
        ) as version_rank
    from source
),

renamed as (
    select
        -- identifiers
        {{ clean("customer_id") }} as customer_id,
        {{ clean("web_user_id") }} as user_id,
        {{ clean("loyalty_id") }} as loyalty_id,
        {{ clean("email") }} as email,
        {{ clean("phone") }} as phone,
        {{ clean("tax_id") }} as tax_id,

        -- the person
        {{ clean("given_name") }} as given_name,
        {{ clean("family_name") }} as family_name,
        birth_date,
        {{ clean("street_address") }} as street_address,
        {{ clean("city") }} as city,
        {{ clean("postal_code") }} as postal_code,
        {{ country_code("country") }} as country,

        -- state
        is_active,
        created_at,
        updated_at
    from versions
    where version_rank = 1 and not _is_deleted
),

identified as (
    select
        *,
        {{ signal_id(
            "'erp'", user_id="user_id", email="email", phone="phone", loyalty_id="loyalty_id",
            erp_customer_id="customer_id", tax_id="tax_id"
        ) | indent(8) }} as signal_id
    from renamed
    where created_at is null or created_at <= {{ as_of() }}
)

select * from identified
