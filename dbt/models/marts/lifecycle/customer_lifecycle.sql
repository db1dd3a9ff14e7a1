with present as (
    select {{ today() }} as as_of
),

current_periods as (
    select
        profile_id,
        stage,
        started_on,
        previous_stage
    from {{ ref("customer_lifecycle_history") }}
    where ended_on is null
),

order_values as (
    select
        profile_id,
        average_order_value
    from {{ ref("customer_profiles") }}
    where order_count > 0
),

typical as (
    select median(average_order_value) as order_value
    from order_values
),

-- What the orders of the first purchase day were worth, and the orders of all days, each against
-- the median customer's.
first_baskets as (
    select
        days.profile_id,
        days.net_reporting_amount / days.order_count as first_basket_value
    from {{ ref("int_purchase_days") }} as days
    inner join {{ ref("churn_factors") }} as factors
        on
            days.profile_id = factors.profile_id
            and days.purchased_on = factors.first_purchase_on
),

typical_first as (
    select median(first_basket_value) as first_basket_value
    from first_baskets
),

sizes as (
    select
        first_baskets.profile_id,
        first_baskets.first_basket_value / nullif(typical_first.first_basket_value, 0)
            as first_basket_ratio,
        order_values.average_order_value / nullif(typical.order_value, 0) as order_value_ratio
    from first_baskets
    cross join typical_first
    cross join typical
    left join order_values on first_baskets.profile_id = order_values.profile_id
),

size_bands as (
    select
        size_band,
        ratio_from,
        lead(ratio_from) over (order by ratio_from) as ratio_below
    from {{ ref("order_size_bands") }}
),

banded as (
    select
        sizes.profile_id,
        first_bands.size_band as first_basket_size,
        order_bands.size_band as order_size_band
    from sizes
    left join size_bands as first_bands
        on {{ in_band("sizes.first_basket_ratio", "first_bands") }}
    left join size_bands as order_bands
        on {{ in_band("sizes.order_value_ratio", "order_bands") }}
),

traits as (
    select
        current_periods.profile_id,
        current_periods.stage,
        factors.purchase_days,
        {{ days_between("factors.first_purchase_on", "factors.last_purchase_on") }} as span_days,
        factors.mean_days_between_purchases,
        order_values.average_order_value / nullif(typical.order_value, 0) as order_value_ratio
    from current_periods
    inner join {{ ref("churn_factors") }} as factors
        on current_periods.profile_id = factors.profile_id
    left join order_values on current_periods.profile_id = order_values.profile_id
    cross join typical
),

-- An empty cell of a rule asks nothing; what isn't known doesn't fulfil a rule that asks for it.
matched as (
    select
        traits.profile_id,
        min(rules.priority) as priority
    from traits
    inner join {{ ref("segment_rules") }} as rules
        on
            (rules.stage is null or traits.stage = rules.stage)
            and (
                rules.purchase_days_from is null
                or traits.purchase_days >= rules.purchase_days_from
            )
            and (rules.purchase_days_to is null or traits.purchase_days <= rules.purchase_days_to)
            and (rules.span_days_from is null or traits.span_days >= rules.span_days_from)
            and (rules.span_days_to is null or traits.span_days <= rules.span_days_to)
            and (
                rules.mean_days_to is null
                or traits.mean_days_between_purchases <= rules.mean_days_to
            )
            and (
                rules.order_value_ratio_from is null
                or traits.order_value_ratio >= rules.order_value_ratio_from
            )
    group by traits.profile_id
),

final as (
    select
        current_periods.profile_id,
        present.as_of,
        current_periods.stage,
        rules.segment,
        current_periods.started_on as stage_since,
        current_periods.previous_stage,
        banded.first_basket_size,
        banded.order_size_band
    from current_periods
    cross join present
    left join banded on current_periods.profile_id = banded.profile_id
    left join matched on current_periods.profile_id = matched.profile_id
    left join {{ ref("segment_rules") }} as rules on matched.priority = rules.priority
)

select * from final
