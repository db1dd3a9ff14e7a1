with profiles as (
    select * from {{ ref("customer_profiles") }}
),

subscribers as (
    select
        profile_id,
        stage_since
    from {{ ref("customer_lifecycle") }}
    where stage = 'subscriber'
),

final as (
    select
        profiles.profile_id,
        profiles.email,
        profiles.given_name,
        profiles.country,
        subscribers.stage_since as subscribed_since,
        '{{ var("incentive_tier_without_purchase") }}' as incentive_tier
    from profiles
    inner join subscribers on profiles.profile_id = subscribers.profile_id
    where profiles.email is not null
)

select * from final
