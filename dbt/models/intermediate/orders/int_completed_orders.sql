with events as (
    select * from {{ ref("int_events") }}
    where event_type = 'track' and event_name = 'Order Completed'
),

lines as (
    select * from {{ ref("int_order_event_lines") }}
),

-- A page that is loaded again sends its Order Completed again, under another messageId.
ranked as (
    select
        *,
        coalesce(order_id, event_id) as web_order_id,
        row_number() over (
            partition by coalesce(order_id, event_id)
            order by occurred_at, event_id
        ) as sighting
    from events
),

-- Lines without a price can't be added up: the order's own total stands for all of them.
totals as (
    select
        event_id,
        case when count(line_amount) = count(*) then sum(line_amount) end as lines_amount,
        sum(discount_amount) as discount_amount,
        sum({{ item_count("quantity") }}) as item_count,
        max(currency) as currency
    from lines
    group by event_id
),

priced as (
    select
        ranked.event_id,
        ranked.web_order_id as order_id,
        ranked.source,
        ranked.profile_id,
        ranked.occurred_at as ordered_at,
        coalesce(ranked.currency, totals.currency) as currency,
        ranked.promo_code,
        coalesce(totals.item_count, 0) as item_count,
        totals.lines_amount as listed_amount,
        coalesce(totals.discount_amount, 0) as on_lines_amount,
        coalesce(ranked.discount_amount, 0) as on_order_amount,
        coalesce(
            ranked.subtotal_amount,
            ranked.total_amount - coalesce(ranked.shipping_amount, 0),
            ranked.revenue_amount,
            totals.lines_amount - coalesce(ranked.discount_amount, 0)
        ) as charged_amount
    from ranked
    left join totals on ranked.event_id = totals.event_id
    where ranked.sighting = 1
),

discounted as (
    select
        *,
        {{ discount_beyond_lines(
            "listed_amount", "on_lines_amount", "on_order_amount", "charged_amount"
        ) | indent(8) }} as beyond_lines_amount
    from priced
),

orders as (
    select
        event_id,
        order_id,
        source,
        profile_id,
        ordered_at,
        currency,
        promo_code,
        cast(item_count as bigint) as item_count,
        {{ lines_after_discounts("listed_amount", "beyond_lines_amount", "charged_amount")
            | indent(8) }} as lines_amount,
        greatest(on_order_amount, on_lines_amount + beyond_lines_amount) as discount_amount
    from discounted
)

select * from orders
