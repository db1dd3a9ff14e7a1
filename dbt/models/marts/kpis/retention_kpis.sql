{#- Rows of a window that ends with the current day: days follow one another without a gap. -#}
{%- set so_far = "order by day rows between unbounded preceding and current row" -%}
{%- set window_days = var("kpi_window_days") -%}
{%- set frequency_days = var("kpi_frequency_days") -%}
{%- set activation_days = var("kpi_activation_days") -%}
{%- set stages = ["subscriber", "new", "active", "at_risk", "churned", "reactivated"] -%}

with present as (
    select {{ today() }} as as_of
),

-- A person enters and leaves a stage on a date; the running sum counts the people in the stage.
stage_borders as (
    select
        started_on as day,
        stage,
        1 as change,
        0 as conversion
    from {{ ref("customer_lifecycle_history") }}
    union all
    select
        ended_on as day,
        stage,
        -1 as change,
        case when stage = 'subscriber' then 1 else 0 end as conversion
    from {{ ref("customer_lifecycle_history") }}
    where ended_on is not null
),

stage_changes as (
    select
        day,
        {%- for stage in stages %}
            sum(case when stage = '{{ stage }}' then change else 0 end) as {{ stage }}_change,
        {%- endfor %}
        sum(conversion) as conversions
    from stage_borders
    group by day
),

-- A store east of the business time zone may already sell on tomorrow's date: that is today.
purchase_days as (
    select
        int_purchase_days.profile_id,
        least(int_purchase_days.purchased_on, present.as_of) as day
    from {{ ref("int_purchase_days") }} as int_purchase_days
    cross join present
    where int_purchase_days.profile_id is not null
),

spaced as (
    select
        day,
        row_number() over by_person as nth,
        {{ days_between("lag(day) over by_person", "day") }} as days_since_previous,
        {{ days_between("day", "lead(day) over by_person") }} as days_to_next
    from purchase_days
    window by_person as (partition by profile_id order by day)
),

purchases as (
    select
        day,
        count(*) as purchase_days,
        sum(case when nth = 1 then 1 else 0 end) as new_customers,
        sum(
            case when nth = 1 and days_to_next <= {{ activation_days }} then 1 else 0 end
        ) as activated_customers
    from spaced
    group by day
),

-- A buyer counts from a purchase until so many days after the last of an unbroken row of them.
buyer_borders as (
    select
        day,
        1 as change
    from spaced
    where days_since_previous is null or days_since_previous >= {{ frequency_days }}
    union all
    select
        {{ days_after("day", frequency_days) }} as day,
        -1 as change
    from spaced
    where days_to_next is null or days_to_next >= {{ frequency_days }}
),

buyer_changes as (
    select
        day,
        sum(change) as buyer_change
    from buyer_borders
    group by day
),

order_days as (
    select
        least(orders.purchased_on, present.as_of) as day,
        count(*) as orders,
        sum(orders.reporting_amount) as revenue,
        sum(
            case when orders.profile_id is not null then orders.reporting_amount else 0 end
        ) as customer_revenue
    from {{ ref("int_orders") }} as orders
    cross join present
    group by least(orders.purchased_on, present.as_of)
),

history as (
    select min(day) as first_day
    from (
        select day from stage_changes
        union all
        select day from order_days
    ) as known_days
),

days as (
    select {{ each_day("history.first_day", "present.as_of") }} as day
    from history
    cross join present
    where history.first_day is not null
),

daily as (
    select
        days.day,
        {%- for stage in stages %}
            coalesce(stage_changes.{{ stage }}_change, 0) as {{ stage }}_change,
        {%- endfor %}
        coalesce(stage_changes.conversions, 0) as conversions,
        coalesce(purchases.purchase_days, 0) as purchase_days,
        coalesce(purchases.new_customers, 0) as new_customers,
        coalesce(purchases.activated_customers, 0) as activated_customers,
        coalesce(buyer_changes.buyer_change, 0) as buyer_change,
        coalesce(order_days.orders, 0) as orders,
        coalesce(order_days.revenue, 0) as revenue,
        coalesce(order_days.customer_revenue, 0) as customer_revenue
    from days
    left join stage_changes on days.day = stage_changes.day
    left join purchases on days.day = purchases.day
    left join buyer_changes on days.day = buyer_changes.day
    left join order_days on days.day = order_days.day
),

summed as (
    select
        day,
        {%- for stage in stages %}
            sum({{ stage }}_change) over ({{ so_far }}) as {{ stage }}_people,
        {%- endfor %}
        sum(new_customers) over ({{ so_far }}) as customers,
        new_customers,
        sum(customer_revenue) over ({{ so_far }}) as customer_revenue,
        sum(buyer_change) over ({{ so_far }}) as buyers,
        sum(purchase_days) over (
            order by day rows between {{ frequency_days - 1 }} preceding and current row
        ) as buyer_purchase_days,
        sum(conversions) over (
            order by day rows between {{ window_days - 1 }} preceding and current row
        ) as conversions,
        sum(orders) over (
            order by day rows between {{ window_days - 1 }} preceding and current row
        ) as orders,
        sum(revenue) over (
            order by day rows between {{ window_days - 1 }} preceding and current row
        ) as revenue,
        -- The newest first purchases that have had their days to be followed by a second.
        sum(new_customers) over (
            order by day
            rows between {{ activation_days + window_days - 1 }} preceding
            and {{ activation_days }} preceding
        ) as ripe_customers,
        sum(activated_customers) over (
            order by day
            rows between {{ activation_days + window_days - 1 }} preceding
            and {{ activation_days }} preceding
        ) as activated_customers
    from daily
),

final as (
    select
        day,
        cast(subscriber_people as bigint) as subscribers,
        cast(customers as bigint) as customers,
        cast(new_customers as bigint) as first_time_customers,
        cast(new_people as bigint) as new_customers,
        cast(active_people as bigint) as active_customers,
        cast(at_risk_people as bigint) as customers_at_risk,
        cast(churned_people as bigint) as churned_customers,
        cast(reactivated_people as bigint) as reactivated_customers,
        cast(conversions as double) / nullif(subscriber_people + conversions, 0)
            as subscriber_conversion_rate,
        cast(activated_customers as double) / nullif(ripe_customers, 0)
            as new_customer_activation_rate,
        cast(buyer_purchase_days as double) / nullif(buyers, 0) as purchase_frequency,
        cast(revenue / nullif(orders, 0) as decimal(18, 4)) as average_order_value,
        cast(customer_revenue / nullif(customers, 0) as decimal(18, 4)) as lifetime_value
    from summed
)

select * from final
