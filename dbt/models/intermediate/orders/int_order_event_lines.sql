{%- set fields = ["product_id", "sku", "category", "quantity", "price", "discount", "currency"] -%}

with order_events as (
    select
        event_id,
        products,
        currency
    from {{ ref("int_events") }}
    where
        event_type = 'track'
        and event_name in ('Order Completed', 'Order Refunded')
        and products is not null
),

parsed as (
    select
        exploded.event_id,
        exploded.currency,
        exploded.position as line_no,
        {{ json_texts("exploded.item", fields) }} as field
    from {{ explode_json("order_events", "products") }} as exploded
),

typed as (
    select
        event_id,
        cast(line_no as bigint) as line_no,
        coalesce({{ text_at("field", 0) }}, {{ text_at("field", 1) }}) as product_id,
        {{ text_at("field", 2) }} as category,
        coalesce({{ try_cast(text_at("field", 3), "decimal(18, 4)") }}, 1) as quantity,
        {{ try_cast(text_at("field", 4), "decimal(18, 4)") }} as price,
        coalesce({{ try_cast(text_at("field", 5), "decimal(18, 4)") }}, 0) as discount_amount,
        coalesce(currency, upper({{ text_at("field", 6) }})) as currency
    from parsed
),

lines as (
    select
        event_id,
        line_no,
        product_id,
        category,
        quantity,
        discount_amount,
        {{ money("quantity * price - discount_amount") }} as line_amount,
        currency
    from typed
    where quantity > 0
)

select * from lines
