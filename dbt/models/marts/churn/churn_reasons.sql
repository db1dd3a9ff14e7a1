with factors as (
    select
        profile_id,
        purchase_days,
        days_since_last_purchase,
        mean_days_between_purchases
    from {{ ref("churn_factors") }}
),

reasons as (
    select
        reasons.profile_id,
        reasons.rank,
        reasons.fact,
        reasons.log_odds,
        case when reasons.log_odds > 0 then 'raises' else 'lowers' end as effect,
        case when factors.purchase_days > 1 then 'known' else 'unknown' end as rhythm,
        factors.purchase_days,
        factors.days_since_last_purchase,
        factors.mean_days_between_purchases,
        customers.lately_90,
        customers.irregularity,
        customers.mean_value
    from {{ source("prediction", "reasons") }} as reasons
    inner join factors on reasons.profile_id = factors.profile_id
    inner join {{ source("prediction", "customers") }} as customers
        on reasons.profile_id = customers.profile_id
),

final as (
    select
        reasons.profile_id,
        cast(reasons.rank as bigint) as rank,
        reasons.fact,
        reasons.effect,
        reasons.log_odds,
        {{ filled(
            "words.words",
            {
                "purchase_days": "reasons.purchase_days",
                "silence": "reasons.days_since_last_purchase",
                "rhythm": "round(reasons.mean_days_between_purchases, 0)",
                "lately": "reasons.lately_90",
                "variation": "round(100 * reasons.irregularity, 0)",
                "value": "round(reasons.mean_value, 0)",
                "currency": reporting_currency(),
            }
        ) }} as reason
    from reasons
    left join {{ ref("reason_words") }} as words
        on
            reasons.fact = words.fact
            and reasons.effect = words.effect
            and reasons.rhythm = words.rhythm
)

select * from final
