{#- Two reads of few columns: a table of them all between would take three times as long. -#}
{%- set in_window -%}
    occurred_at > {{ as_of() }} - interval '{{ var("engagement_window_days") }}' day
{%- endset -%}

with kinds as (
    select
        event_name,
        case when step = 'opened' then {{ var("engagement_open_weight") }} else 1 end as weight
    from {{ ref("event_kinds") }}
    where is_visit or step in ('opened', 'clicked')
),

engaging as (
    select
        profile_id,
        occurred_at,
        1 as weight
    from {{ ref("int_behaviour") }}
    where
        event_type in ('page', 'screen')
        and {{ in_window }}
    union all
    select
        events.profile_id,
        events.occurred_at,
        kinds.weight
    from {{ ref("int_behaviour") }} as events
    inner join kinds on events.event_name = kinds.event_name
    where
        events.event_type = 'track'
        and {{ in_window }}
),

local as (
    select
        profile_id,
        date_trunc('hour', {{ local_time("occurred_at", business_timezone()) }}) as engaged_at,
        weight
    from engaging
),

hours as (
    select
        profile_id,
        engaged_at,
        max(weight) as weight
    from local
    group by profile_id, engaged_at
),

engagements as (
    select
        profile_id,
        cast(engaged_at as date) as engaged_on,
        cast(hour(engaged_at) as integer) as engaged_hour,
        cast(weight as decimal(9, 2)) as weight
    from hours
)

select * from engagements
