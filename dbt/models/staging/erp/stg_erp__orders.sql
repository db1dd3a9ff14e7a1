with source as (
    select * from {{ source("raw", "erp_orders") }}
),

versions as (
    select
        *,
        row_number() over (
            partition by order_id
            order by {{ newest_first("updated_at") | indent(12) }}
        ) as version_rank
    from source
),

renamed as (
    select
        -- keys
        {{ clean("order_id") }} as order_id,
        {{ clean("customer_id") }} as customer_id,
        {{ clean("web_order_id") }} as web_order_id,

        -- state. An order that has left the ERP counts as cancelled rather than as unheard of: its
        -- Order Completed event would otherwise bring it back.
        lower({{ clean("channel") }}) as channel,
        case
            when _is_deleted then 'cancelled'
            when lower(status) = 'delivered' and delivered_at > {{ as_of() }} then 'shipped'
            else lower({{ clean("status") }})
        end as status,

        -- money
        upper({{ clean("currency") }}) as currency,
        total_amount,
        discount_amount,
        shipping_amount,
        {{ clean("promo_code") }} as promo_code,

        -- times
        ordered_at,
        promised_at,
        {{ known("delivered_at") }} as delivered_at,
        updated_at
    from versions
    where version_rank = 1
),

identified as (
    select
        *,
        {{ signal_id("'erp'", erp_customer_id="customer_id") | indent(8) }} as signal_id
    from renamed
    where ordered_at <= {{ as_of() }}
)

select * from identified
