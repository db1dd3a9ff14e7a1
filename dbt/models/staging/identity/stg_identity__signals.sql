{%- set event_fields = {
    "anonymous_id": "anonymous_id", "user_id": "user_id", "previous_id": "previous_id",
    "device_id": "device_id", "email": "email", "phone": "phone", "loyalty_id": "loyalty_id",
    "country": "country", "given_name": "given_name", "family_name": "family_name",
    "city": "city", "postal_code": "postal_code", "birth_date": "birth_date",
} -%}
{%- set receipt_fields = {
    "email": "email", "phone": "phone", "loyalty_id": "loyalty_id", "payment_card": "payment_card",
    "country": "country",
} -%}
{%- set member_fields = {
    "email": "email", "phone": "phone", "loyalty_id": "loyalty_id", "tax_id": "tax_id",
    "country": "country", "given_name": "given_name", "family_name": "family_name",
    "street_address": "street_address", "city": "city", "postal_code": "postal_code",
    "birth_date": "birth_date",
} -%}
{%- set customer_fields = {
    "user_id": "user_id", "email": "email", "phone": "phone", "loyalty_id": "loyalty_id",
    "erp_customer_id": "customer_id", "tax_id": "tax_id", "country": "country",
    "given_name": "given_name", "family_name": "family_name",
    "street_address": "street_address", "city": "city", "postal_code": "postal_code",
    "birth_date": "birth_date",
} -%}
{%- set document_fields = {"erp_customer_id": "customer_id"} -%}
{%- set placed_fields = {
    "erp_customer_id": "customer_id", "anonymous_id": "anonymous_id", "device_id": "device_id",
} -%}

with members as (
    select
        *,
        coalesce(enrolled_at, {{ known("updated_at") }}) as first_written_at,
        coalesce({{ known("updated_at") }}, enrolled_at) as last_written_at
    from {{ ref("stg_pos__members") }}
),

customers as (
    select
        *,
        coalesce(created_at, {{ known("updated_at") }}) as first_written_at,
        coalesce({{ known("updated_at") }}, created_at) as last_written_at
    from {{ ref("stg_erp__customers") }}
),

order_events as (
    select
        order_id,
        anonymous_id,
        device_id
    from {{ ref("stg_web__events") }}
    where event_name = 'Order Completed'
    union all
    select
        order_id,
        anonymous_id,
        device_id
    from {{ ref("stg_app__events") }}
    where event_name = 'Order Completed'
),

-- A guest's browser or device, by the order that the ERP keeps under a customer.
placed_orders as (
    select
        orders.customer_id,
        order_events.anonymous_id,
        order_events.device_id,
        orders.ordered_at,
        {{ signal_id(
            "'erp'", anonymous_id="order_events.anonymous_id",
            device_id="order_events.device_id", erp_customer_id="orders.customer_id"
        ) | indent(8) }} as signal_id
    from {{ ref("stg_erp__orders") }} as orders
    inner join order_events on orders.web_order_id = order_events.order_id
    where coalesce(order_events.anonymous_id, order_events.device_id) is not null
),

signals as (
    {{- signals_of(ref("stg_web__events"), "web", "web_events", "occurred_at", event_fields) }}
    union all
    {{- signals_of(ref("stg_app__events"), "app", "app_events", "occurred_at", event_fields) }}
    union all
    {{- signals_of(
        ref("stg_pos__receipt_lines"), "pos", "pos_receipt_lines", "sold_at", receipt_fields
    ) }}
    union all
    {{- signals_of(
        "members", "pos", "pos_members", "first_written_at", member_fields, "last_written_at"
    ) }}
    union all
    {{- signals_of(
        "customers", "erp", "erp_customers", "first_written_at", customer_fields, "last_written_at"
    ) }}
    union all
    {{- signals_of(ref("stg_erp__orders"), "erp", "erp_orders", "ordered_at", document_fields) }}
    union all
    {{- signals_of("placed_orders", "erp", "erp_orders", "ordered_at", placed_fields) }}
    union all
    {{- signals_of(ref("stg_erp__tickets"), "erp", "erp_tickets", "opened_at", document_fields) }}
),

-- A member without e-mail and a receipt with only a card carry the same signal.
merged as (
    select
        signal_id,
        max(source) as source,
        min(source_table) as source_table,
        max(anonymous_id) as anonymous_id,
        max(user_id) as user_id,
        max(previous_id) as previous_id,
        max(device_id) as device_id,
        max(email) as email,
        max(phone) as phone,
        max(loyalty_id) as loyalty_id,
        max(erp_customer_id) as erp_customer_id,
        max(payment_card) as payment_card,
        max(tax_id) as tax_id,
        max(country) as country,
        max(given_name) as given_name,
        max(family_name) as family_name,
        max(street_address) as street_address,
        max(city) as city,
        max(postal_code) as postal_code,
        max(birth_date) as birth_date,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at,
        cast(sum(record_count) as bigint) as record_count
    from signals
    group by signal_id
)

select * from merged
