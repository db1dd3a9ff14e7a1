with present as (
    select
        {{ days_after(today(), -var("frequency_recent_days")) }} as recent_after,
        {{ days_after(
            today(), -(var("frequency_recent_days") + var("frequency_earlier_days"))
        ) }} as earlier_after
),

purchase_days as (
    select
        profile_id,
        purchased_on,
        min(purchased_on) over (partition by profile_id) as first_purchase_on
    from {{ ref("int_purchase_days") }}
    where profile_id is not null
),

-- The first purchase starts the person's clock and says nothing of the rate: it isn't counted.
counted as (
    select
        purchase_days.profile_id,
        sum(
            case when purchase_days.purchased_on > present.recent_after then 1 else 0 end
        ) as recent_purchase_days,
        sum(
            case
                when
                    purchase_days.purchased_on > present.earlier_after
                    and purchase_days.purchased_on <= present.recent_after
                    and purchase_days.purchased_on > purchase_days.first_purchase_on
                    then 1
                else 0
            end
        ) as earlier_purchase_days,
        greatest(
            {{ days_between(
                "greatest(purchase_days.first_purchase_on, present.earlier_after)",
                "present.recent_after"
            ) }},
            0
        ) as earlier_days
    from purchase_days
    cross join present
    group by
        purchase_days.profile_id,
        purchase_days.first_purchase_on,
        present.recent_after,
        present.earlier_after
),

-- Products of whole numbers compare exactly where a quotient would round.
weighed as (
    select
        profile_id,
        recent_purchase_days,
        earlier_purchase_days,
        earlier_days,
        recent_purchase_days * earlier_days as recent_weight,
        earlier_purchase_days * {{ var("frequency_recent_days") }} as earlier_weight
    from counted
),

compared as (
    select
        *,
        case
            when
                earlier_weight > 0
                and earlier_days >= {{ var("frequency_earlier_days_at_least") }}
                then cast(recent_weight as double) / earlier_weight - 1
        end as frequency_change
    from weighed
),

dropped as (
    select
        compared.profile_id,
        max(severities.severity_rank) as severity_rank
    from compared
    inner join {{ ref("drop_severities") }} as severities
        on
            compared.frequency_change is not null
            and compared.recent_weight
            <= (1 + severities.frequency_change_to) * cast(compared.earlier_weight as integer)
            and compared.earlier_purchase_days >= severities.earlier_purchase_days_from
            and compared.earlier_weight
            >= severities.expected_purchase_days_from * cast(compared.earlier_days as integer)
    group by compared.profile_id
),

final as (
    select
        compared.profile_id,
        cast(compared.recent_purchase_days as bigint) as recent_purchase_days,
        cast(compared.earlier_purchase_days as bigint) as earlier_purchase_days,
        cast(compared.earlier_days as bigint) as earlier_days,
        compared.frequency_change,
        coalesce(severities.drop_severity, 'none') as drop_severity
    from compared
    left join dropped on compared.profile_id = dropped.profile_id
    left join {{ ref("drop_severities") }} as severities
        on dropped.severity_rank = severities.severity_rank
)

select * from final
