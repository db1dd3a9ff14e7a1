with present as (
    select cast(date_trunc('month', {{ today() }}) as date) as last_month
),

customers as (
    select
        profile_id,
        cohort,
        value_so_far,
        expected_value
    from {{ ref("customer_value") }}
),

cohorts as (
    select
        cohort,
        count(*) as customers,
        sum(value_so_far) as value_so_far,
        sum(expected_value) as expected_value
    from customers
    group by cohort
),

-- A store east of the business time zone may already sell on tomorrow's date: that is today.
purchases as (
    select
        customers.cohort,
        least(
            cast(date_trunc('month', days.purchased_on) as date), present.last_month
        ) as month,
        days.profile_id,
        days.net_reporting_amount
    from {{ ref("int_purchase_days") }} as days
    inner join customers on days.profile_id = customers.profile_id
    cross join present
),

bought as (
    select
        cohort,
        month,
        count(distinct profile_id) as buyers,
        sum(net_reporting_amount) as value
    from purchases
    group by cohort, month
),

span as (
    select
        min(customers.cohort) as begins,
        max(present.last_month) as ends
    from customers
    cross join present
),

days as (
    select {{ each_day("begins", "ends") }} as day
    from span
    where begins is not null
),

months as (
    select distinct cast(date_trunc('month', day) as date) as month
    from days
),

final as (
    select
        cohorts.cohort,
        months.month,
        cast(
            12 * (year(months.month) - year(cohorts.cohort))
            + month(months.month) - month(cohorts.cohort) as bigint
        ) as months_since,
        cast(cohorts.customers as bigint) as customers,
        cast(coalesce(bought.buyers, 0) as bigint) as buyers,
        coalesce(bought.buyers, 0) / cast(cohorts.customers as double) as retention_rate,
        {{ money("coalesce(bought.value, 0)") }} as value,
        {{ money("sum(coalesce(bought.value, 0)) over so_far") }} as value_so_far,
        case
            when months.month = present.last_month
                then {{ money("cohorts.expected_value") }}
        end as expected_value
    from cohorts
    cross join present
    inner join months on cohorts.cohort <= months.month
    left join bought on cohorts.cohort = bought.cohort and months.month = bought.month
    window so_far as (
        partition by cohorts.cohort order by months.month
        rows between unbounded preceding and current row
    )
)

select * from final
