with source as (
    select
        *,
        {{ written_at("order_id", "updated_at") | indent(8) }} as written_at
    from {{ source("raw", "erp_orders") }}
),

versions as (
    select
        *,
        row_number() over (
            partition by order_id
            order by {{ newest_first("written_at") | indent(12) }}
        ) as version_rank
    from source
),

-- What marks an order as gone is sure of its key alone: the order is as it was when it was there.
last_there as (
    select
        *,
        min(case when _is_deleted then version_rank end) over (partition by order_id) = 1
            as has_left,
        row_number() over (
            partition by order_id
            order by case when _is_deleted then 1 else 0 end asc, version_rank asc
        ) as standing
    from versions
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
            when has_left then 'cancelled'
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
    from last_there
    where standing = 1
),

identified as (
    select
        *,
        {{ signal_id("'erp'", erp_customer_id="customer_id") | indent(8) }} as signal_id
    from renamed
    -- It isn't known when only of an order that was gone before anything could be read of it.
    where ordered_at is null or ordered_at <= {{ as_of() }}
)

select * from identified
