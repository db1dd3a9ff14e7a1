with customers as (
    select profile_id from {{ source("prediction", "customers") }}
),

compared as (
    select
        profile_id,
        since,
        recent_purchase_days,
        usual_days,
        recent_days,
        frequency_change,
        chance
    from {{ source("prediction", "slowdowns") }}
),

dropped as (
    select
        compared.profile_id,
        max(severities.severity_rank) as severity_rank
    from compared
    inner join {{ ref("drop_severities") }} as severities
        on
            compared.frequency_change <= severities.frequency_change_to
            and compared.chance <= severities.chance_to
    group by compared.profile_id
),

final as (
    select
        customers.profile_id,
        compared.since,
        cast(compared.recent_purchase_days as bigint) as recent_purchase_days,
        compared.usual_days,
        compared.recent_days,
        compared.frequency_change,
        compared.chance,
        coalesce(severities.drop_severity, 'none') as drop_severity
    from customers
    left join compared on customers.profile_id = compared.profile_id
    left join dropped on customers.profile_id = dropped.profile_id
    left join {{ ref("drop_severities") }} as severities
        on dropped.severity_rank = severities.severity_rank
)

select * from final
