with first_days as (
    select
        profile_id,
        min(purchased_on) as first_purchase_on
    from {{ ref("int_purchase_days") }}
    group by profile_id
),

-- In two shops on the first day: the earlier receipt, of two at one instant the first by alphabet.
first_orders as (
    select
        orders.profile_id,
        first_days.first_purchase_on,
        orders.channel,
        {{ store_member("orders.store_id", "orders.channel") }} as store,
        row_number() over (
            partition by orders.profile_id
            order by orders.ordered_at asc, orders.order_key asc
        ) as nth
    from {{ ref("int_orders") }} as orders
    inner join first_days
        on
            orders.profile_id = first_days.profile_id
            and orders.purchased_on = first_days.first_purchase_on
),

subscribers as (
    select
        profile_id,
        started_on
    from {{ ref("customer_lifecycle_history") }}
    where stage = 'subscriber'
),

-- Nobody tells when the ERP's customers signed up where; a till stands in a store.
sign_ups as (
    select
        profile_id,
        case source when 'web' then 'web' when 'app' then 'app' when 'pos' then 'store' end
            as channel,
        row_number() over (
            partition by profile_id
            order by first_seen_at asc nulls last, source asc
        ) as nth
    from {{ ref("customer_identifiers") }}
    where {{ makes_reachable() }}
),

roles as (
    select
        subscribers.profile_id,
        'subscriber' as role,
        sign_ups.channel,
        'none' as store,
        subscribers.started_on as began_on
    from subscribers
    left join sign_ups on subscribers.profile_id = sign_ups.profile_id and sign_ups.nth = 1
    union all
    select
        profile_id,
        'customer' as role,
        channel,
        store,
        first_purchase_on as began_on
    from first_orders
    where nth = 1
),

final as (
    select
        roles.profile_id,
        roles.role,
        coalesce(roles.channel, 'unknown') as channel,
        roles.store,
        coalesce(profiles.country, 'unknown') as country,
        cast(cast(date_trunc('month', roles.began_on) as date) as {{ type_text() }}) as cohort
    from roles
    left join {{ ref("customer_profiles") }} as profiles on roles.profile_id = profiles.profile_id
)

select * from final
