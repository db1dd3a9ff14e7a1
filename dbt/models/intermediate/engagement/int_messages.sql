with message_events as (
    select
        events.profile_id,
        event_kinds.channel,
        event_kinds.step,
        coalesce(events.campaign_id, '') as campaign_id,
        events.occurred_at
    from {{ ref("int_behaviour") }} as events
    inner join {{ ref("event_kinds") }} as event_kinds
        on events.event_name = event_kinds.event_name
    where
        events.event_type = 'track'
        and event_kinds.step is not null
        and events.occurred_at
        > {{ as_of() }} - interval '{{ var("engagement_window_days") }}' day
),

-- What is delivered begins a message; what follows it is its answer, until the campaign's next one.
numbered as (
    select
        *,
        sum(case when step = 'delivered' then 1 else 0 end) over (
            partition by profile_id, channel, campaign_id
            order by occurred_at asc, case when step = 'delivered' then 0 else 1 end asc
            rows between unbounded preceding and current row
        ) as message_no
    from message_events
),

messages as (
    select
        profile_id,
        channel,
        campaign_id,
        cast(message_no as bigint) as message_no,
        max(case when step = 'opened' then 1 else 0 end) = 1 as is_opened,
        max(case when step = 'clicked' then 1 else 0 end) = 1 as is_clicked
    from numbered
    group by profile_id, channel, campaign_id, message_no
)

select * from messages
