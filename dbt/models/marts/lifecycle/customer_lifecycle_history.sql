with present as (
    select {{ today() }} as as_of
),

thresholds as (
    select
        {%- for stage in ["at_risk", "churned"] %}
            max(case when stage = '{{ stage }}' then churn_factor_from end) as {{ stage }}_factor,
            max(case when stage = '{{ stage }}' then days_from end) as {{ stage }}_days_from,
            max(case when stage = '{{ stage }}' then days_to end) as {{ stage }}_days_to,
            max(case when stage = '{{ stage }}' then days_without_rhythm end)
                as {{ stage }}_days_without_rhythm
            {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from {{ ref("lifecycle_thresholds") }}
),

-- What was known of a person's rhythm on each purchase day, of that day and the days before.
purchases as (
    select
        profile_id,
        purchased_on,
        row_number() over by_person as purchase_days,
        first_value(purchased_on) over by_person as first_purchase_on,
        lead(purchased_on) over by_person as next_purchase_on
    from {{ ref("int_purchase_days") }}
    where profile_id is not null
    window by_person as (partition by profile_id order by purchased_on)
),

bordered as (
    select
        purchases.*,
        present.as_of,
        {%- for stage in ["at_risk", "churned"] %}
        {{ days_after(
            "purchases.purchased_on",
            lifecycle_days(
                stage, "purchases.first_purchase_on", "purchases.purchased_on",
                "purchases.purchase_days"
            )
        ) }} as {{ stage }}_on
            {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from purchases
    cross join present
    cross join thresholds
),

returns as (
    select
        *,
        -- Who buys on the very day would have churned at its end: no more than at risk.
        case
            when lag(churned_on) over by_person < least(purchased_on, as_of) then purchased_on
        end as came_back_on,
        -- Whether the stage before is known to go on: most purchases begin no stage.
        coalesce(
            least(lag(at_risk_on) over by_person, lag(churned_on) over by_person) > purchased_on
            and purchased_on <= as_of,
            false
        ) as is_in_time
    from bordered
    window by_person as (partition by profile_id order by purchased_on)
),

-- From one purchase to the next. A newcomer and a returner have a time of grace before `at_risk`.
stretches as (
    select
        profile_id,
        purchase_days,
        is_in_time,
        -- A store east of the business time zone may already sell on tomorrow's date.
        least(purchased_on, as_of) as starts_on,
        case
            when next_purchase_on <= as_of then next_purchase_on
            when next_purchase_on > as_of then as_of
            else {{ days_after("as_of", 1) }}
        end as ends_on,
        at_risk_on,
        churned_on,
        case
            when max(came_back_on) over so_far is null then 'new' else 'reactivated'
        end as grace_stage,
        coalesce(
            {{ days_after("max(came_back_on) over so_far", var("lifecycle_reactivated_days")) }},
            {{ days_after("first_purchase_on", var("lifecycle_new_days")) }}
        ) as grace_ends_on
    from returns
    window so_far as (
        partition by profile_id order by purchased_on
        rows between unbounded preceding and current row
    )
),

first_purchases as (
    select
        profile_id,
        starts_on as first_purchase_on
    from stretches
    where purchase_days = 1
),

reachable as (
    select
        profile_id,
        min(first_seen_at) as first_seen_at
    from {{ ref("customer_identifiers") }}
    where {{ makes_reachable() }}
    group by profile_id
),

subscribers as (
    select
        reachable.profile_id,
        least(
            coalesce(
                {{ local_date("reachable.first_seen_at", business_timezone()) }}, present.as_of
            ),
            present.as_of
        ) as starts_on
    from reachable
    cross join present
),

borders as (
    select
        subscribers.profile_id,
        subscribers.starts_on,
        'subscriber' as stage
    from subscribers
    left join first_purchases on subscribers.profile_id = first_purchases.profile_id
    where
        first_purchases.profile_id is null
        or subscribers.starts_on < first_purchases.first_purchase_on
    union all
    select
        profile_id,
        starts_on,
        case when starts_on < grace_ends_on then grace_stage else 'active' end as stage
    from stretches
    where starts_on < ends_on and (not is_in_time or starts_on = grace_ends_on)
    union all
    select
        profile_id,
        grace_ends_on as starts_on,
        case when grace_ends_on < at_risk_on then 'active' else 'at_risk' end as stage
    from stretches
    where
        grace_ends_on > starts_on
        and grace_ends_on < ends_on
        and grace_ends_on < churned_on
    union all
    select
        profile_id,
        at_risk_on as starts_on,
        'at_risk' as stage
    from stretches
    where
        at_risk_on > grace_ends_on
        and at_risk_on < ends_on
        and at_risk_on < churned_on
    union all
    select
        profile_id,
        churned_on as starts_on,
        'churned' as stage
    from stretches
    where churned_on < ends_on
),

compared as (
    select
        *,
        lag(stage) over (partition by profile_id order by starts_on) as previous_stage
    from borders
),

final as (
    select
        profile_id,
        stage,
        starts_on as started_on,
        lead(starts_on) over (partition by profile_id order by starts_on) as ended_on,
        previous_stage
    from compared
    where previous_stage is null or stage <> previous_stage
)

select * from final
