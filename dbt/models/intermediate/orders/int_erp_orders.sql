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

-- What the order's total says about its lines: some ERPs write a discount on the order on top of
-- those on its lines, some spread it over them and repeat it.
joined as (
    select
        orders.*,
        coalesce(resolved.profile_id, completed.profile_id) as profile_id,
        coalesce(orders.channel, completed.source, 'web') as sales_channel,
        orders.total_amount - coalesce(orders.shipping_amount, 0) as charged_amount,
        lines.lines_amount as listed_amount,
        coalesce(lines.discount_amount, 0) as listed_discount_amount,
        greatest(
            coalesce(orders.discount_amount, 0) - coalesce(lines.discount_amount, 0), 0
        ) as extra_discount_amount,
        coalesce(lines.item_count, 0) as item_count,
        completed.promo_code as completed_promo_code
    from orders
    left join lines on orders.order_id = lines.order_id
    left join resolved on orders.signal_id = resolved.signal_id
    left join completed on orders.web_order_id = completed.order_id
),

priced as (
    select
        *,
        {{ lines_after_discount("listed_amount", "extra_discount_amount", "charged_amount") }}
            as lines_amount
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
        coalesce(lines_amount, 0) as lines_amount,
        listed_discount_amount + extra_discount_amount as discount_amount,
        cast(item_count as bigint) as item_count,
        coalesce(promo_code, completed_promo_code) as promo_code
    from priced
    where coalesce(status, '') <> 'cancelled'
)

select * from purchases
