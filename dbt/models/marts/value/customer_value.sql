with present as (
    select {{ today() }} as as_of
),

totals as (
    select
        profile_id,
        min(purchased_on) as first_purchase_on,
        coalesce(sum(reporting_amount), 0) as value_so_far,
        coalesce(sum(discount_amount * reporting_rate), 0) as discounts_so_far,
        coalesce(sum(refunded_amount * reporting_rate), 0) as refunds_so_far
    from {{ ref("int_orders") }}
    where profile_id is not null
    group by profile_id
),

final as (
    select
        totals.profile_id,
        present.as_of,
        cast(date_trunc('month', totals.first_purchase_on) as date) as cohort,
        {{ money("totals.value_so_far") }} as value_so_far,
        {{ money("totals.discounts_so_far") }} as discounts_so_far,
        {{ money("totals.refunds_so_far") }} as refunds_so_far,
        predicted.value_days,
        predicted.expected_purchases_later as expected_purchases,
        {{ money("predicted.expected_value_later") }} as expected_value,
        {{ reporting_currency() }} as currency
    from totals
    cross join present
    left join {{ source("prediction", "customers") }} as predicted
        on totals.profile_id = predicted.profile_id
)

select * from final
