with source as (
    select * from {{ source("raw", "pos_members") }}
),

stores as (
    select * from {{ ref("stg_pos__stores") }}
),

renamed as (
    select
        -- identifiers
        {{ clean("source.loyalty_id") }} as loyalty_id,
        {{ clean("source.email") }} as email,
        {{ clean("source.phone") }} as phone,
        {{ clean("source.tax_id") }} as tax_id,

        -- the person
        {{ clean("source.given_name") }} as given_name,
        {{ clean("source.family_name") }} as family_name,
        source.birth_date,
        {{ clean("source.street_address") }} as street_address,
        {{ clean("source.city") }} as city,
        {{ clean("source.postal_code") }} as postal_code,
        coalesce({{ country_code("source.country") }}, stores.country) as country,
        {{ clean("source.home_store_id") }} as home_store_id,

        -- consents
        source.email_marketing,
        source.sms_marketing,
        source.whatsapp_marketing,
        source.viber_marketing,

        -- times
        {{ store_instant("source.enrolled_at", "stores.timezone") | indent(8) }} as enrolled_at,
        {{ store_instant("source.updated_at", "stores.timezone") | indent(8) }} as updated_at,

        -- provenance
        source._is_deleted,
        source._loaded_at,
        source._landed_file,
        source._line
    from source
    left join stores on source.home_store_id = stores.store_id
)

select * from renamed
