with source as (
    select * from {{ source("raw", "erp_order_lines") }}
),

versions as (
    select
        *,
        row_number() over (
            partition by order_id, line_no
            order by {{ newest_first() | indent(12) }}
        ) as version_rank
    from source
),

renamed as (
    select
        {{ clean("order_id") }} as order_id,
        line_no,
        {{ clean("product_id") }} as product_id,
        quantity,
        unit_price,
        coalesce(discount_amount, 0) as discount_amount,
        line_amount
    from versions
    where version_rank = 1 and not _is_deleted
)

select * from renamed
