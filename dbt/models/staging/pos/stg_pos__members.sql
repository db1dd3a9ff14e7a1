with source as (
    select
        *,
        {{ written_at("loyalty_id", "updated_at") | indent(8) }} as written_at
    from {{ ref("stg_pos__member_versions") }}
),

ranked as (
    select
        *,
        row_number() over (
            partition by loyalty_id
            order by {{ newest_first("written_at") | indent(12) }}
        ) as version_rank
    from source
),

renamed as (
    select
        loyalty_id,
        email,
        phone,
        tax_id,
        given_name,
        family_name,
        birth_date,
        street_address,
        city,
        postal_code,
        country,
        home_store_id,
        enrolled_at,
        updated_at
    from ranked
    where
        version_rank = 1
        and not _is_deleted
        and (enrolled_at is null or enrolled_at <= {{ as_of() }})
),

identified as (
    select
        *,
        {{ signal_id(
            "'pos'", email="email", phone="phone", loyalty_id="loyalty_id", tax_id="tax_id"
        ) | indent(8) }} as signal_id
    from renamed
)

select * from identified
