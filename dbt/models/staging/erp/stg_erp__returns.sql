with source as (
    select * from {{ source("raw", "erp_returns") }}
),

versions as (
    select
        *,
        row_number() over (
            partition by return_id
            order by {{ newest_first() | indent(12) }}
        ) as version_rank
    from source
),

renamed as (
    select
        {{ clean("return_id") }} as return_id,
        {{ clean("order_id") }} as order_id,
        {{ clean("product_id") }} as product_id,
        quantity,
        refund_amount,
        upper({{ clean("currency") }}) as currency,
        returned_at,
        {{ clean("reason") }} as reason
    from versions
    where version_rank = 1 and not _is_deleted and returned_at <= {{ as_of() }}
)

select * from renamed
