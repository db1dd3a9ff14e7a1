with present as (
    select {{ today() }} as as_of
),

recency_bands as (
    select
        band as recency_band,
        value_from,
        lead(value_from) over (order by value_from) as value_below
    from {{ ref("return_bands") }}
    where dimension = 'recency'
),

frequency_bands as (
    select
        band as frequency_band,
        value_from,
        lead(value_from) over (order by value_from) as value_below
    from {{ ref("return_bands") }}
    where dimension = 'frequency'
),

purchase_days as (
    select
        profile_id,
        purchased_on
    from {{ ref("int_purchase_days") }}
    where profile_id is not null
),

-- Everybody is looked at twice: today, and a horizon ago, when what came next is known by now.
moments as (
    select
        as_of as seen_on,
        true as is_today
    from present
    union all
    select
        {{ days_after("as_of", -var("return_horizon_days")) }} as seen_on,
        false as is_today
    from present
),

seen as (
    select
        moments.is_today,
        moments.seen_on,
        purchase_days.profile_id,
        max(purchase_days.purchased_on) as last_purchase_on,
        sum(
            case
                when
                    purchase_days.purchased_on
                    > {{ days_after("moments.seen_on", -var("return_lookback_days")) }}
                    then 1
                else 0
            end
        ) as recent_purchase_days
    from purchase_days
    -- A store east of the business time zone may already sell on tomorrow's date.
    inner join moments
        on purchase_days.purchased_on <= moments.seen_on or moments.is_today
    group by moments.is_today, moments.seen_on, purchase_days.profile_id
),

banded as (
    select
        seen.profile_id,
        seen.is_today,
        recency_bands.recency_band,
        frequency_bands.frequency_band
    from seen
    inner join recency_bands
        on
            greatest({{ days_between("seen.last_purchase_on", "seen.seen_on") }}, 0)
            >= recency_bands.value_from
            and (
                {{ days_between("seen.last_purchase_on", "seen.seen_on") }}
                < recency_bands.value_below
                or recency_bands.value_below is null
            )
    inner join frequency_bands
        on
            seen.recent_purchase_days >= frequency_bands.value_from
            and (
                seen.recent_purchase_days < frequency_bands.value_below
                or frequency_bands.value_below is null
            )
),

came_back as (
    select
        purchase_days.profile_id,
        count(*) as purchase_days
    from purchase_days
    cross join present
    where
        purchase_days.purchased_on
        > {{ days_after("present.as_of", -var("return_horizon_days")) }}
    group by purchase_days.profile_id
),

observed as (
    select
        banded.recency_band,
        banded.frequency_band,
        count(*) as people,
        count(came_back.profile_id) as returned,
        sum(coalesce(came_back.purchase_days, 0)) as purchases
    from banded
    left join came_back on banded.profile_id = came_back.profile_id
    where not banded.is_today
    group by banded.recency_band, banded.frequency_band
),

cells as (
    select
        recency_bands.recency_band,
        frequency_bands.frequency_band,
        coalesce(observed.people, 0) as people,
        coalesce(observed.returned, 0) as returned,
        coalesce(observed.purchases, 0) as purchases
    from recency_bands
    cross join frequency_bands
    left join observed
        on
            recency_bands.recency_band = observed.recency_band
            and frequency_bands.frequency_band = observed.frequency_band
),

-- A recency band leans on everybody; a cell leans on its recency band.
recency_rates as (
    select
        *,
        (
            sum(returned) over (partition by recency_band)
            + {{ var("return_smoothing_people") }}
            * cast(sum(returned) over () as double) / nullif(sum(people) over (), 0)
        )
        / (sum(people) over (partition by recency_band) + {{ var("return_smoothing_people") }})
            as recency_return_rate,
        (
            sum(purchases) over (partition by recency_band)
            + {{ var("return_smoothing_people") }}
            * cast(sum(purchases) over () as double) / nullif(sum(people) over (), 0)
        )
        / (sum(people) over (partition by recency_band) + {{ var("return_smoothing_people") }})
            as recency_purchase_rate
    from cells
),

rates as (
    select
        recency_band,
        frequency_band,
        people,
        (returned + {{ var("return_smoothing_people") }} * recency_return_rate)
        / (people + {{ var("return_smoothing_people") }}) as return_probability,
        (purchases + {{ var("return_smoothing_people") }} * recency_purchase_rate)
        / (people + {{ var("return_smoothing_people") }}) as expected_purchases
    from recency_rates
),

final as (
    select
        banded.profile_id,
        banded.recency_band,
        banded.frequency_band,
        cast(rates.people as bigint) as learned_from_people,
        cast(rates.return_probability as double) as return_probability,
        cast(rates.expected_purchases as double) as expected_purchases
    from banded
    inner join rates
        on
            banded.recency_band = rates.recency_band
            and banded.frequency_band = rates.frequency_band
    where banded.is_today
)

select * from final
