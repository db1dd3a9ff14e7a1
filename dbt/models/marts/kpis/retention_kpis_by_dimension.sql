{%- set window_days = var("kpi_window_days") -%}
{%- set frequency_days = var("kpi_frequency_days") -%}
{%- set activation_days = var("kpi_activation_days") -%}
{#- How far back the windows of a day reach. -#}
{%- set reach_days = [frequency_days, activation_days + window_days] | max -%}
{%- set stages = ["subscriber", "new", "active", "at_risk", "churned", "reactivated"] -%}
{%- set flows = {
    "stage_changes": stages + ["conversions"],
    "purchase_changes": [
        "purchase_days", "first_purchases", "activations", "buyers_came", "buyers_went",
        "customer_revenue"
    ],
    "order_changes": ["orders", "revenue"],
    "expected_losses": ["losses"],
} -%}
{%- set measures = flows.values() | sum(start=[]) -%}

with present as (
    select {{ today() }} as as_of
),

people as (
    select * from {{ ref("customer_dimensions") }}
),

-- A person enters and leaves a stage on a date; the running sum counts the people in the stage.
stage_borders as (
    select
        profile_id,
        started_on as day,
        stage,
        1 as change
    from {{ ref("customer_lifecycle_history") }}
    union all
    select
        profile_id,
        ended_on as day,
        stage,
        -1 as change
    from {{ ref("customer_lifecycle_history") }}
    where ended_on is not null
),

placed_borders as (
    select
        borders.day,
        borders.stage,
        borders.change,
        {{ known_dimensions("people") | indent(8) }}
    from stage_borders as borders
    left join people
        on
            borders.profile_id = people.profile_id
            and (people.role = 'subscriber') = (borders.stage = 'subscriber')
),

stage_changes as (
    select
        day,
        {{ dimension_and_member() | indent(8) }},
        {%- for stage in stages %}
            sum(case when stage = '{{ stage }}' then change else 0 end) as {{ stage }},
        {%- endfor %}
        sum(case when stage = 'subscriber' and change < 0 then 1 else 0 end) as conversions
    from placed_borders
    group by {{ each_dimension("day") | indent(8) }} -- noqa: PRS
),

customers as (
    select * from people
    where role = 'customer'
),

-- A store east of the business time zone may already sell on tomorrow's date: that is today.
purchases as (
    select
        days.profile_id,
        least(days.purchased_on, present.as_of) as day,
        days.net_reporting_amount
    from {{ ref("int_purchase_days") }} as days
    cross join present
    where days.profile_id is not null
),

spaced as (
    select
        profile_id,
        day,
        net_reporting_amount,
        row_number() over by_person as nth,
        {{ days_between("lag(day) over by_person", "day") }} as days_since_previous,
        {{ days_between("day", "lead(day) over by_person") }} as days_to_next
    from purchases
    window by_person as (partition by profile_id order by day)
),

-- A buyer counts from a purchase until so many days after the last of an unbroken row of them.
placed_purchases as (
    select
        spaced.day,
        spaced.net_reporting_amount,
        case when spaced.nth = 1 then 1 else 0 end as is_first,
        case
            when spaced.nth = 1 and spaced.days_to_next <= {{ activation_days }} then 1
            else 0
        end as is_activating,
        case when spaced.days_since_previous < {{ frequency_days }} then 0 else 1 end as comes,
        case when spaced.days_to_next < {{ frequency_days }} then 0 else 1 end as goes,
        {{ known_dimensions("customers") | indent(8) }}
    from spaced
    left join customers on spaced.profile_id = customers.profile_id
),

purchase_changes as (
    select
        day,
        {{ dimension_and_member() | indent(8) }},
        count(*) as purchase_days,
        sum(is_first) as first_purchases,
        sum(is_activating) as activations,
        sum(comes) as buyers_came,
        sum(goes) as buyers_went,
        sum(net_reporting_amount) as customer_revenue
    from placed_purchases
    group by {{ each_dimension("day") | indent(8) }} -- noqa: PRS
),

placed_orders as (
    select
        least(orders.purchased_on, present.as_of) as day,
        orders.reporting_amount,
        {{ known_dimensions("customers", own={
            "channel": "orders.channel",
            "store": store_member("orders.store_id", "orders.channel"),
        }) | indent(8) }}
    from {{ ref("int_orders") }} as orders
    cross join present
    left join customers on orders.profile_id = customers.profile_id
),

order_changes as (
    select
        day,
        {{ dimension_and_member() | indent(8) }},
        count(*) as orders,
        sum(reporting_amount) as revenue
    from placed_orders
    group by {{ each_dimension("day") | indent(8) }} -- noqa: PRS
),

-- As decimals, whose sum doesn't hang on the order they come in.
placed_losses as (
    select
        cast(1 - predicted.return_probability as decimal(18, 6)) as loss,
        {{ known_dimensions("customers") | indent(8) }}
    from {{ source("prediction", "customers") }} as predicted
    left join customers on predicted.profile_id = customers.profile_id
),

summed_losses as (
    select
        {{ dimension_and_member() | indent(8) }},
        sum(loss) as losses
    from placed_losses
    group by {{ each_dimension() | indent(8) }} -- noqa: PRS
),

expected_losses as (
    select
        present.as_of as day,
        summed_losses.dimension,
        summed_losses.member,
        summed_losses.losses
    from summed_losses
    cross join present
    where summed_losses.losses is not null
),

changes as (
    {%- for flow, known in flows.items() %}
        select
            day,
            dimension,
            member,
            {%- for measure in measures %}
                {% if measure not in known %}null as {% endif %}{{ measure }}
                {%- if not loop.last %},{% endif %}
            {%- endfor %}
        from {{ flow }}
        {%- if not loop.last %}
            union all
        {%- endif %}
    {%- endfor %}
),

-- Of members the days before count as one, so long before the first day shown that its windows
-- don't reach it.
members as (
    select
        changes.dimension,
        changes.member,
        present.as_of,
        {{ days_after("present.as_of", -var("kpi_member_days")) }} as hidden_to,
        case
            when changes.dimension = 'all' then min(changes.day)
            else
                greatest(
                    min(changes.day),
                    {{ days_after("present.as_of", -var("kpi_member_days") - reach_days) }}
                )
        end as first_day
    from changes
    cross join present
    group by changes.dimension, changes.member, present.as_of
),

days as (
    select
        dimension,
        member,
        {{ each_day("first_day", "as_of") }} as day
    from members
),

daily_changes as (
    select
        members.dimension,
        members.member,
        greatest(changes.day, members.first_day) as day,
        {%- for measure in measures %}
            sum(changes.{{ measure }}) as {{ measure }}
            {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from changes
    inner join members
        on changes.dimension = members.dimension and changes.member = members.member
    group by members.dimension, members.member, greatest(changes.day, members.first_day)
),

daily as (
    select
        days.dimension,
        days.member,
        days.day,
        {%- for measure in measures %}
            daily_changes.{{ measure }}
            {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from days
    left join daily_changes
        on
            days.dimension = daily_changes.dimension
            and days.member = daily_changes.member
            and days.day = daily_changes.day
),

summed as (
    select
        dimension,
        member,
        day,
        {%- for stage in stages %}
            {{ running(stage) | indent(12) }} as {{ stage }}_people,
        {%- endfor %}
        coalesce(first_purchases, 0) as first_time_customers,
        {{ running("first_purchases") | indent(8) }} as customers,
        {{ running("conversions", window_days - 1) | indent(8) }} as conversions,
        -- The newest first purchases that have had their days to be followed by a second.
        {%- for part, whole in [
            ("first_purchases", "activation_candidates"), ("activations", "activated_customers")
        ] %}
            {{ running(
                part, activation_days + window_days - 1, activation_days
            ) | indent(12) }} as {{ whole }},
        {%- endfor %}
        {{ running("purchase_days", frequency_days - 1) | indent(8) }} as purchase_days,
        {{ running("buyers_came") | indent(8) }}
        - {{ running("buyers_went", days_to=frequency_days) | indent(8) }} as buyers,
        {{ running("orders", window_days - 1) | indent(8) }} as orders,
        {{ running("revenue", window_days - 1) | indent(8) }} as revenue,
        {{ running("customer_revenue") | indent(8) }} as customer_revenue,
        losses
    from daily
),

counted as (
    select
        summed.day,
        summed.dimension,
        summed.member,
        cast(summed.subscriber_people as bigint) as subscribers,
        cast(summed.customers as bigint) as customers,
        cast(summed.first_time_customers as bigint) as first_time_customers,
        cast(summed.new_people as bigint) as new_customers,
        cast(summed.active_people as bigint) as active_customers,
        cast(summed.at_risk_people as bigint) as customers_at_risk,
        cast(summed.churned_people as bigint) as churned_customers,
        cast(summed.reactivated_people as bigint) as reactivated_customers,
        cast(summed.losses as decimal(18, 6)) as expected_losses,
        cast(summed.conversions as bigint) as converted_subscribers,
        cast(summed.subscriber_people + summed.conversions as bigint) as convertible_subscribers,
        cast(summed.activated_customers as bigint) as activated_customers,
        cast(summed.activation_candidates as bigint) as activation_candidates,
        cast(summed.purchase_days as bigint) as purchase_days,
        cast(summed.buyers as bigint) as buyers,
        cast(summed.orders as bigint) as orders,
        {{ money("summed.revenue") }} as revenue,
        {{ money("summed.customer_revenue") }} as value_so_far
    from summed
    inner join members
        on summed.dimension = members.dimension and summed.member = members.member
    where summed.dimension = 'all' or summed.day > members.hidden_to
),

final as (
    select
        *,
        {{ share("converted_subscribers", "convertible_subscribers") }}
            as subscriber_conversion_rate,
        {{ share("activated_customers", "activation_candidates") }}
            as new_customer_activation_rate,
        {{ share("purchase_days", "buyers") }} as purchase_frequency,
        {{ share("customers_at_risk", "customers") }} as at_risk_share,
        {{ share("churned_customers", "customers") }} as churned_share,
        {{ share("expected_losses", "customers") }} as churn_risk,
        {{ money(share("revenue", "orders")) }} as average_order_value,
        {{ money(share("value_so_far", "customers")) }} as lifetime_value
    from counted
)

select * from final
