with receipts as (
    select * from {{ ref("int_receipts") }}
),

erp_orders as (
    select * from {{ ref("int_erp_orders") }}
),

completed as (
    select * from {{ ref("int_completed_orders") }}
),

-- Orders that the ERP cancelled are in here too: their event is no purchase either.
known_to_erp as (
    select distinct web_order_id
    from {{ ref("stg_erp__orders") }}
    where web_order_id is not null
),

web_orders as (
    select completed.*
    from completed
    left join known_to_erp on completed.order_id = known_to_erp.web_order_id
    where known_to_erp.web_order_id is null
),

purchases as (
    select
        concat('pos:', order_id) as order_key,
        order_id,
        cast(null as {{ type_text() }}) as web_order_id,
        'pos' as source,
        'store' as channel,
        store_id,
        profile_id,
        ordered_at,
        timezone,
        currency,
        lines_amount,
        discount_amount,
        item_count,
        promo_code,
        false as is_under_way
    from receipts
    union all
    select
        concat('erp:', order_id) as order_key,
        order_id,
        web_order_id,
        'erp' as source,
        channel,
        cast(null as {{ type_text() }}) as store_id,
        profile_id,
        ordered_at,
        cast(null as {{ type_text() }}) as timezone,
        currency,
        lines_amount,
        discount_amount,
        item_count,
        promo_code,
        is_under_way
    from erp_orders
    union all
    select
        concat('web:', order_id) as order_key,
        order_id,
        order_id as web_order_id,
        source,
        source as channel,
        cast(null as {{ type_text() }}) as store_id,
        profile_id,
        ordered_at,
        cast(null as {{ type_text() }}) as timezone,
        coalesce(currency, {{ reporting_currency() }}) as currency,
        lines_amount,
        discount_amount,
        item_count,
        promo_code,
        false as is_under_way
    from web_orders
)

select * from purchases
