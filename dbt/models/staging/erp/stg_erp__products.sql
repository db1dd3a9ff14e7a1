with source as (
    select
        *,
        {{ written_at("product_id", "updated_at") | indent(8) }} as written_at
    from {{ source("raw", "erp_products") }}
),

versions as (
    select
        *,
        row_number() over (
            partition by product_id
            order by {{ newest_first("written_at") | indent(12) }}
        ) as version_rank
    from source
),

renamed as (
    select
        {{ clean("product_id") }} as product_id,
        {{ clean("name") }} as product_name,
        {{ clean("category") }} as category,
        {{ clean("brand") }} as brand,
        list_price,
        upper({{ clean("currency") }}) as currency,
        updated_at
    from versions
    where version_rank = 1 and not _is_deleted
)

select * from renamed
