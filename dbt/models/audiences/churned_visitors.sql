with present as (
    select {{ as_of() }} as as_of
),

profiles as (
    select * from {{ ref("customer_profiles") }}
),

churned as (
    select
        profile_id,
        stage_since
    from {{ ref("customer_lifecycle") }}
    where stage = 'churned'
),

final as (
    select
        profiles.profile_id,
        profiles.email,
        profiles.given_name,
        profiles.country,
        profiles.favourite_category,
        profiles.average_order_value as basket_value_to_beat,
        profiles.currency,
        factors.incentive_tier,
        churned.stage_since as churned_since
    from profiles
    inner join churned on profiles.profile_id = churned.profile_id
    inner join {{ ref("churn_factors") }} as factors on profiles.profile_id = factors.profile_id
    cross join present
    where
        profiles.email is not null
        and profiles.last_visit_at
        > present.as_of - interval '{{ var("churned_visitor_hours") }}' hour
)

select * from final
