with profiles as (
    select * from {{ source("identity", "profiles") }}
),

identifiers as (
    select * from {{ ref("customer_identifiers") }}
),

attributes as (
    select * from {{ ref("int_profile_attributes") }}
),

orders as (
    select * from {{ ref("int_orders") }}
    where profile_id is not null
),

-- who they are
identifier_counts as (
    select
        profile_id,
        count(*) as identifier_count
    from identifiers
    group by profile_id
),

distinct_sources as (
    select distinct
        profile_id,
        source
    from {{ source("identity", "identifiers") }}
),

sources as (
    select
        profile_id,
        {{ dbt.listagg("source", "','", "order by source") }} as sources
    from distinct_sources
    group by profile_id
),

-- what they bought
order_totals as (
    select
        profile_id,
        min(ordered_at) as first_order_at,
        max(ordered_at) as last_order_at,
        count(*) as order_count,
        count(case when is_online then 1 end) as online_order_count,
        count(case when channel = 'store' then 1 end) as store_order_count,
        coalesce(sum(reporting_amount), 0) as net_revenue,
        count(case when is_under_way then 1 end) as open_delivery_count
    from orders
    group by profile_id
),

return_totals as (
    select
        profile_id,
        count(*) as return_count
    from {{ ref("int_returns") }}
    where profile_id is not null
    group by profile_id
),

categories as (
    select
        profile_id,
        category,
        row_number() over (
            partition by profile_id
            order by sum(reporting_amount) desc nulls last, category asc
        ) as category_rank
    from {{ ref("int_order_items") }}
    where profile_id is not null and category is not null
    group by profile_id, category
),

stores as (
    select
        profile_id,
        store_id,
        row_number() over (
            partition by profile_id
            order by count(*) desc, max(ordered_at) desc, store_id asc
        ) as store_rank
    from orders
    where store_id is not null
    group by profile_id, store_id
),

hours as (
    select
        profile_id,
        purchased_hour,
        row_number() over (
            partition by profile_id
            order by count(*) desc, max(ordered_at) desc, purchased_hour asc
        ) as hour_rank
    from orders
    group by profile_id, purchased_hour
),

-- what they are doing now
visits as (
    select
        profile_id,
        max(last_visit_at) as last_visit_at
    from {{ ref("int_visits") }}
    group by profile_id
),

carts as (
    select * from {{ ref("int_carts") }}
),

tickets as (
    select distinct resolved.profile_id
    from {{ ref("stg_erp__tickets") }} as tickets
    inner join {{ source("identity", "resolved") }} as resolved
        on tickets.signal_id = resolved.signal_id
    where tickets.is_open and resolved.profile_id is not null
),

final as (
    select
        -- who they are
        profiles.profile_id,
        profiles.first_seen_at,
        profiles.last_seen_at,
        attributes.email,
        attributes.phone,
        attributes.given_name,
        attributes.family_name,
        attributes.birth_date,
        attributes.city,
        attributes.postal_code,
        attributes.country,
        homes.household_id,
        sources.sources,
        coalesce(identifier_counts.identifier_count, 0) as identifier_count,

        -- what they bought
        order_totals.first_order_at,
        order_totals.last_order_at,
        coalesce(order_totals.order_count, 0) as order_count,
        coalesce(order_totals.online_order_count, 0) as online_order_count,
        coalesce(order_totals.store_order_count, 0) as store_order_count,
        coalesce(return_totals.return_count, 0) as return_count,
        {{ money("coalesce(order_totals.net_revenue, 0)") }} as net_revenue,
        {{ money("order_totals.net_revenue / order_totals.order_count") }} as average_order_value,
        {{ reporting_currency() }} as currency,
        categories.category as favourite_category,
        stores.store_id as favourite_store_id,
        hours.purchased_hour as preferred_hour,

        -- what they are doing now
        visits.last_visit_at,
        coalesce(carts.cart_state, 'none') as cart_state,
        carts.cart_value,
        carts.cart_updated_at,
        tickets.profile_id is not null as has_open_ticket,
        coalesce(order_totals.open_delivery_count, 0) > 0 as has_open_delivery
    from profiles
    left join attributes on profiles.profile_id = attributes.profile_id
    left join {{ source("identity", "household_members") }} as homes
        on profiles.profile_id = homes.profile_id
    left join sources on profiles.profile_id = sources.profile_id
    left join identifier_counts on profiles.profile_id = identifier_counts.profile_id
    left join order_totals on profiles.profile_id = order_totals.profile_id
    left join return_totals on profiles.profile_id = return_totals.profile_id
    left join categories
        on profiles.profile_id = categories.profile_id and categories.category_rank = 1
    left join stores on profiles.profile_id = stores.profile_id and stores.store_rank = 1
    left join hours on profiles.profile_id = hours.profile_id and hours.hour_rank = 1
    left join visits on profiles.profile_id = visits.profile_id
    left join carts on profiles.profile_id = carts.profile_id
    left join tickets on profiles.profile_id = tickets.profile_id
)

select * from final
