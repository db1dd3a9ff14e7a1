with profiles as (
    select * from {{ ref("customer_profiles") }}
),

-- Whoever has churned has stopped, not slowed: another message, another audience.
slowed as (
    select
        factors.profile_id,
        factors.drop_severity,
        factors.last_purchase_on,
        factors.incentive_tier
    from {{ ref("churn_factors") }} as factors
    inner join {{ ref("customer_lifecycle") }} as lifecycle
        on factors.profile_id = lifecycle.profile_id
    where
        factors.drop_severity in ('moderate', 'severe')
        and lifecycle.stage <> 'churned'
),

final as (
    select
        profiles.profile_id,
        profiles.email,
        profiles.given_name,
        profiles.country,
        profiles.favourite_category,
        slowed.drop_severity,
        slowed.last_purchase_on,
        slowed.incentive_tier
    from profiles
    inner join slowed on profiles.profile_id = slowed.profile_id
    where profiles.email is not null
)

select * from final
