with members as (
    select
        *,
        row_number() over (
            partition by household_id
            order by
                case when coalesce(city, postal_code) is null then 1 else 0 end asc,
                first_seen_at asc nulls last,
                profile_id asc
        ) as seniority
    from {{ ref("customer_profiles") }}
    where household_id is not null
),

rules as (
    select
        household_id,
        case when count(distinct rule) = 1 then max(rule) else 'several' end as shared_by
    from {{ source("identity", "household_links") }}
    group by household_id
),

totals as (
    select
        household_id,
        count(*) as member_count,
        max(case when seniority = 1 then city end) as city,
        max(case when seniority = 1 then postal_code end) as postal_code,
        max(case when seniority = 1 then country end) as country,
        min(first_seen_at) as first_seen_at,
        max(last_order_at) as last_order_at,
        cast(sum(order_count) as bigint) as order_count,
        {{ money("sum(net_revenue)") }} as net_revenue,
        max(currency) as currency
    from members
    group by household_id
),

final as (
    select
        totals.household_id,
        totals.member_count,
        rules.shared_by,
        totals.city,
        totals.postal_code,
        totals.country,
        totals.first_seen_at,
        totals.last_order_at,
        totals.order_count,
        totals.net_revenue,
        totals.currency
    from totals
    left join rules on totals.household_id = rules.household_id
)

select * from final
