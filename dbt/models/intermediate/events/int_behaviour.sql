with events as (
    select * from {{ ref("int_events") }}
    where profile_id is not null
),

not_tracked as (
    select distinct profile_id
    from {{ ref("int_consents") }}
    where purpose = 'tracking' and state = 'denied'
),

behaviour as (
    select
        events.event_id,
        events.event_type,
        events.event_name,
        events.occurred_at,
        events.profile_id,
        events.product_id,
        events.category,
        events.quantity,
        events.price,
        events.currency,
        events.campaign_id,
        events.latitude,
        events.longitude
    from events
    left join not_tracked on events.profile_id = not_tracked.profile_id
    where not_tracked.profile_id is null
)

select * from behaviour
