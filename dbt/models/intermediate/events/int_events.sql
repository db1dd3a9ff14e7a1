with web as (
    select * from {{ ref("stg_web__events") }}
),

app as (
    select * from {{ ref("stg_app__events") }}
),

-- A tool that forwards one event to both tables sends it with one messageId.
events as (
    select * from web
    union all
    select app.*
    from app
    left join {{ ref("stg_web__events") }} as sent_to_web on app.event_id = sent_to_web.event_id
    where sent_to_web.event_id is null
),

resolved as (
    select * from {{ source("identity", "resolved") }}
),

attributed as (
    select
        events.event_id,
        events.source,
        events.event_type,
        events.event_name,
        events.occurred_at,
        resolved.profile_id,
        events.anonymous_id,
        events.user_id,
        events.email,
        events.order_id,
        events.product_id,
        events.category,
        events.quantity,
        events.price,
        events.currency,
        events.total_amount,
        events.subtotal_amount,
        events.revenue_amount,
        events.discount_amount,
        events.shipping_amount,
        events.promo_code,
        events.campaign_id,
        events.latitude,
        events.longitude,
        events.products,
        events.preferences,
        events.properties
    from events
    left join resolved on events.signal_id = resolved.signal_id
)

select * from attributed
