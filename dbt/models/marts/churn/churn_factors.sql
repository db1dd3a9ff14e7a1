with present as (
    select {{ today() }} as as_of
),

customers as (
    select
        profile_id,
        count(*) as purchase_days,
        min(purchased_on) as first_purchase_on,
        max(purchased_on) as last_purchase_on
    from {{ ref("int_purchase_days") }}
    where profile_id is not null
    group by profile_id
),

rhythms as (
    select
        customers.*,
        present.as_of,
        -- A store east of the business time zone may already sell on tomorrow's date.
        greatest({{ days_between("customers.last_purchase_on", "present.as_of") }}, 0)
            as days_since_last_purchase,
        case
            when customers.purchase_days > 1
                then
                    cast(
                        {{ days_between(
                            "customers.first_purchase_on", "customers.last_purchase_on"
                        ) }} as double
                    )
                    / (customers.purchase_days - 1)
        end as mean_days_between_purchases
    from customers
    cross join present
),

factors as (
    select
        *,
        days_since_last_purchase / mean_days_between_purchases as churn_factor
    from rhythms
),

tiers as (
    select
        drop_severity,
        incentive_tier,
        churn_factor_from,
        lead(churn_factor_from) over (
            partition by drop_severity order by churn_factor_from
        ) as churn_factor_below
    from {{ ref("incentive_tiers") }}
    where churn_factor_from is not null
),

unknown_tiers as (
    select
        drop_severity,
        incentive_tier
    from {{ ref("incentive_tiers") }}
    where churn_factor_from is null
),

final as (
    select
        factors.profile_id,
        factors.as_of,
        cast(factors.purchase_days as bigint) as purchase_days,
        factors.first_purchase_on,
        factors.last_purchase_on,
        cast(factors.days_since_last_purchase as bigint) as days_since_last_purchase,
        factors.mean_days_between_purchases,
        factors.churn_factor,
        predicted.return_probability,
        predicted.expected_purchases,
        predicted.horizon_days as return_horizon_days,
        predicted.model as return_model,
        slowdowns.frequency_change,
        slowdowns.drop_severity,
        coalesce(tiers.incentive_tier, unknown_tiers.incentive_tier) as incentive_tier
    from factors
    left join {{ source("prediction", "customers") }} as predicted
        on factors.profile_id = predicted.profile_id
    left join {{ ref("purchase_slowdowns") }} as slowdowns
        on factors.profile_id = slowdowns.profile_id
    left join tiers
        on
            slowdowns.drop_severity = tiers.drop_severity
            and factors.churn_factor >= tiers.churn_factor_from
            and (
                factors.churn_factor < tiers.churn_factor_below
                or tiers.churn_factor_below is null
            )
    left join unknown_tiers
        on
            slowdowns.drop_severity = unknown_tiers.drop_severity
            and factors.churn_factor is null
)

select * from final
