with orders as (
    select * from {{ ref("int_orders") }}
),

days as (
    select
        profile_id,
        purchased_on,
        count(*) as order_count,
        {{ money("coalesce(sum(reporting_amount), 0)") }} as net_reporting_amount
    from orders
    where profile_id is not null
    group by profile_id, purchased_on
)

select * from days
