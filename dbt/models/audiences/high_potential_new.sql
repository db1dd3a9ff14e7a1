with profiles as (
    select * from {{ ref("customer_profiles") }}
),

promising as (
    select
        profile_id,
        stage_since
    from {{ ref("customer_lifecycle") }}
    where stage = 'new' and segment = 'high_potential'
),

final as (
    select
        profiles.profile_id,
        profiles.email,
        profiles.given_name,
        profiles.country,
        profiles.favourite_category,
        profiles.order_count,
        profiles.average_order_value,
        profiles.currency,
        promising.stage_since as customer_since
    from profiles
    inner join promising on profiles.profile_id = promising.profile_id
    where profiles.email is not null
)

select * from final
