with profiles as (
    select * from {{ ref("customer_profiles") }}
),

one_timers as (
    select
        lifecycle.profile_id,
        factors.last_purchase_on,
        factors.incentive_tier
    from {{ ref("customer_lifecycle") }} as lifecycle
    inner join {{ ref("churn_factors") }} as factors
        on lifecycle.profile_id = factors.profile_id
    where
        lifecycle.segment = 'one_timer'
        and factors.days_since_last_purchase <= {{ var("one_timer_days_to") }}
),

final as (
    select
        profiles.profile_id,
        profiles.email,
        profiles.given_name,
        profiles.country,
        profiles.favourite_category,
        one_timers.last_purchase_on,
        one_timers.incentive_tier
    from profiles
    inner join one_timers on profiles.profile_id = one_timers.profile_id
    where profiles.email is not null
)

select * from final
