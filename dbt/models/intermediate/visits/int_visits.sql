with events as (
    select * from {{ ref("int_behaviour") }}
),

event_kinds as (
    select * from {{ ref("event_kinds") }}
),

-- E-mails that arrive and refunds that an office books are events, but nobody came.
visit_events as (
    select
        events.profile_id,
        events.occurred_at,
        {{ local_date("events.occurred_at", business_timezone()) }} as visited_on
    from events
    left join event_kinds on events.event_name = event_kinds.event_name
    where
        events.event_type in ('page', 'screen')
        or (events.event_type = 'track' and event_kinds.is_visit)
),

visits as (
    select
        profile_id,
        visited_on,
        max(occurred_at) as last_visit_at,
        count(*) as event_count
    from visit_events
    group by profile_id, visited_on
)

select * from visits
