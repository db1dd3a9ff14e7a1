with present as (
    select {{ as_of() }} as as_of
),

profiles as (
    select * from {{ ref("customer_profiles") }}
),

final as (
    select
        profiles.profile_id,
        profiles.email,
        profiles.given_name,
        profiles.country,
        profiles.cart_value,
        profiles.currency,
        profiles.cart_updated_at,
        coalesce(factors.incentive_tier, '{{ var("incentive_tier_without_purchase") }}')
            as incentive_tier
    from profiles
    cross join present
    left join {{ ref("churn_factors") }} as factors on profiles.profile_id = factors.profile_id
    where
        profiles.email is not null
        and profiles.cart_state = 'abandoned'
        and profiles.cart_updated_at
        <= present.as_of - interval '{{ var("cart_active_minutes") }}' minute
        and profiles.cart_updated_at >= present.as_of - interval '{{ var("cart_window_days") }}' day
)

select * from final
