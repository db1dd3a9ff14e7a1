with everybody as (
    select * from {{ ref("retention_kpis_by_dimension") }}
    where dimension = 'all'
),

final as (
    select
        day,
        subscribers,
        customers,
        first_time_customers,
        new_customers,
        active_customers,
        customers_at_risk,
        churned_customers,
        reactivated_customers,
        subscriber_conversion_rate,
        new_customer_activation_rate,
        purchase_frequency,
        average_order_value,
        lifetime_value,
        at_risk_share,
        churned_share,
        churn_risk,
        value_so_far
    from everybody
)

select * from final
