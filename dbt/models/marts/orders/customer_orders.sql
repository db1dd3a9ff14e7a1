with orders as (
    select * from {{ ref("int_orders") }}
),

final as (
    select
        -- who, what, where
        order_id,
        profile_id,
        source,
        channel,
        store_id,
        ordered_at,

        -- money in the order's own currency
        gross_amount,
        discount_amount,
        refunded_amount,
        net_amount,
        currency,

        -- money in the reporting currency
        reporting_amount,

        -- what was in it
        item_count,
        promo_code
    from orders
)

select * from final
