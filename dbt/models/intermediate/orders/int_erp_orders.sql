with orders as (
    select * from {{ ref("stg_erp__orders") }}
),

lines as (
    select
        order_id,
        sum(line_amount) as lines_amount,
        sum(discount_amount) as discount_amount,
        sum({{ item_count("quantity") }}) as item_count
    from {{ ref("stg_erp__order_lines") }}
    group by order_id
),

resolved as (
    select * from {{ source("identity", "resolved") }}
),

completed as (
    select * from {{ ref("int_completed_orders") }}
),

joined as (
    select
        orders.*,
        coalesce(resolved.profile_id, completed.profile_id) as profile_id,
        coalesce(orders.channel, completed.source, 'web') as sales_channel,
        orders.total_amount - coalesce(orders.shipping_amount, 0) as charged_amount,
        lines.lines_amount as listed_amount,
        coalesce(lines.discount_amount, 0) as on_lines_amount,
        coalesce(orders.discount_amount, 0) as on_order_amount,
        coalesce(lines.item_count, 0) as item_count,
        completed.promo_code as completed_promo_code
    from orders
    left join lines on orders.order_id = lines.order_id
    left join resolved on orders.signal_id = resolved.signal_id
    left join completed on orders.web_order_id = completed.order_id
),

discounted as (
    select
        *,
        {{ discount_beyond_lines(
            "listed_amount", "on_lines_amount", "on_order_amount", "charged_amount"
        ) | indent(8) }} as beyond_lines_amount
    from joined
),

purchases as (
    select
        order_id,
        web_order_id,
        sales_channel as channel,
        profile_id,
        ordered_at,
        currency,
        status <> 'delivered' and delivered_at is null as is_under_way,
        {{ lines_after_discounts("listed_amount", "beyond_lines_amount", "charged_amount")
            | indent(8) }} as lines_amount,
        greatest(on_order_amount, on_lines_amount + beyond_lines_amount) as discount_amount,
        cast(item_count as bigint) as item_count,
        coalesce(promo_code, completed_promo_code) as promo_code
    from discounted
    where coalesce(status, '') <> 'cancelled'
)

select * from purchases
