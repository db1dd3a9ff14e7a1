with allowed as (
    select profile_id
    from {{ ref("int_consents") }}
    where purpose = 'location'
    group by profile_id
    having max(case when state = 'granted' then 0 else 1 end) = 0
),

positions as (
    select
        events.profile_id,
        events.occurred_at,
        events.event_id,
        events.latitude,
        events.longitude
    from {{ ref("int_behaviour") }} as events
    inner join allowed on events.profile_id = allowed.profile_id
    where events.latitude is not null
),

newest as (
    select
        profile_id,
        max(occurred_at) as occurred_at
    from positions
    group by profile_id
),

ranked as (
    select
        positions.*,
        row_number() over (
            partition by positions.profile_id order by positions.event_id
        ) as position_rank
    from positions
    inner join newest
        on
            positions.profile_id = newest.profile_id
            and positions.occurred_at = newest.occurred_at
),

last_positions as (
    select
        profile_id,
        {{ local_date("occurred_at", business_timezone()) }} as positioned_on,
        latitude,
        longitude
    from ranked
    where position_rank = 1
)

select * from last_positions
