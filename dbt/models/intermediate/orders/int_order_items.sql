with orders as (
    select * from {{ ref("int_orders") }}
),

products as (
    select * from {{ ref("stg_erp__products") }}
),

receipt_lines as (
    select
        concat('pos:', receipt_id) as order_key,
        line_no,
        product_id,
        category,
        quantity,
        line_amount
    from {{ ref("stg_pos__receipt_lines") }}
    where quantity > 0
),

order_lines as (
    select
        concat('erp:', order_id) as order_key,
        line_no,
        product_id,
        cast(null as {{ type_text() }}) as category,
        quantity,
        line_amount
    from {{ ref("stg_erp__order_lines") }}
    where quantity > 0
),

event_lines as (
    select
        concat('web:', completed.order_id) as order_key,
        lines.line_no,
        lines.product_id,
        lines.category,
        lines.quantity,
        lines.line_amount
    from {{ ref("int_completed_orders") }} as completed
    inner join {{ ref("int_order_event_lines") }} as lines
        on completed.event_id = lines.event_id
),

lines as (
    select * from receipt_lines
    union all
    select * from order_lines
    union all
    select * from event_lines
),

items as (
    select
        orders.order_id,
        orders.source,
        orders.profile_id,
        orders.ordered_at,
        orders.is_online,
        lines.line_no,
        lines.product_id,
        coalesce(lines.category, products.category) as category,
        lines.quantity,
        {{ money("lines.line_amount") }} as line_amount,
        orders.currency,
        {{ money("lines.line_amount * orders.reporting_rate") }} as reporting_amount
    from lines
    inner join orders on lines.order_key = orders.order_key
    left join products on lines.product_id = products.product_id
)

select * from items
