{%- set habits = {
    "purchase_hour": 24, "purchase_weekday": 7, "engagement_hour": 24, "engagement_weekday": 7,
} -%}

with profiles as (
    select profile_id from {{ source("identity", "profiles") }}
),

-- What somebody does twice in an hour of a day was done once: two receipts are no second habit.
purchase_hours_of_days as (
    select
        profile_id,
        purchased_hour,
        purchased_on,
        count(*) as times,
        max(ordered_at) as last_at
    from {{ ref("int_orders") }}
    where profile_id is not null
    group by profile_id, purchased_hour, purchased_on
),

engagement_days as (
    select
        profile_id,
        engaged_on,
        max(weight) as weight
    from {{ ref("int_engagements") }}
    group by profile_id, engaged_on
),

-- by time: how often, with what weight as evidence, and when last
purchase_hour_counts as (
    select
        profile_id,
        purchased_hour as place,
        sum(times) as times,
        cast(count(*) as decimal(18, 2)) as weight,
        max(last_at) as last_at
    from purchase_hours_of_days
    group by profile_id, purchased_hour
),

purchase_weekday_counts as (
    select
        profile_id,
        {{ weekday("purchased_on") }} as place,
        count(*) as times,
        cast(count(*) as decimal(18, 2)) as weight,
        max(purchased_on) as last_at
    from {{ ref("int_purchase_days") }}
    group by profile_id, {{ weekday("purchased_on") }}
),

engagement_hour_counts as (
    select
        profile_id,
        engaged_hour as place,
        sum(weight) as times,
        cast(sum(weight) as decimal(18, 2)) as weight,
        max(engaged_on) as last_at
    from {{ ref("int_engagements") }}
    group by profile_id, engaged_hour
),

engagement_weekday_counts as (
    select
        profile_id,
        {{ weekday("engaged_on") }} as place,
        sum(weight) as times,
        cast(sum(weight) as decimal(18, 2)) as weight,
        max(engaged_on) as last_at
    from engagement_days
    group by profile_id, {{ weekday("engaged_on") }}
),

{% for habit, places in habits.items() %}
    {{ habit }}_totals as (
        select
            profile_id,
            sum(weight) as weight,
            max(times) as most_times
        from {{ habit }}_counts
        group by profile_id
    ),

    -- Everybody's share of each time, by the rule of succession: a time of nobody isn't impossible.
    {{ habit }}_shares as (
        select
            place,
            (cast(sum(weight) as double) + 1)
            / (cast(sum(sum(weight)) over () as double) + {{ places }}) as usual_share
        from {{ habit }}_counts
        group by place
    ),

    {{ habit }}_modes as (
        select
            counts.profile_id,
            counts.place,
            totals.weight as total,
            cast(counts.weight as double) / cast(totals.weight as double) as share,
            row_number() over (
                partition by counts.profile_id order by counts.last_at desc, counts.place asc
            ) as standing
        from {{ habit }}_counts as counts
        inner join {{ habit }}_totals as totals
            on counts.profile_id = totals.profile_id and counts.times = totals.most_times
        where totals.weight >= {{ var("preference_times_from") }}
    ),

    {{ habit }}s as (
        select
            modes.profile_id,
            modes.place,
            modes.share
        from {{ habit }}_modes as modes
        inner join {{ habit }}_shares as shares on modes.place = shares.place
        where
            modes.standing = 1
            and {{ more_than_chance(
                "modes.total", "modes.share", "shares.usual_share", places
            ) | indent(12) }}
    ),

{% endfor -%}

homes as (
    select
        places.profile_id,
        stores.country
    from {{ ref("customer_places") }} as places
    inner join {{ ref("stg_pos__stores") }} as stores on places.home_store_id = stores.store_id
),

final as (
    select
        profiles.profile_id,
        {{ today() }} as as_of,
        {%- for habit in habits %}
            cast({{ habit }}s.place as integer) as preferred_{{ habit }},
            {{ habit }}s.share as {{ habit }}_share,
            cast(coalesce({{ habit }}_totals.weight, 0) as decimal(18, 2))
                as {{ habit }}_evidence,
        {%- endfor %}
        answers.channel as best_channel,
        holidays.holiday_on as next_holiday_on,
        holidays.english_name as next_holiday
    from profiles
    left join {{ ref("channel_answers") }} as answers
        on profiles.profile_id = answers.profile_id and answers.answer_rank = 1
    left join {{ ref("int_profile_attributes") }} as attributes
        on profiles.profile_id = attributes.profile_id
    left join homes on profiles.profile_id = homes.profile_id
    left join {{ ref("local_holidays") }} as holidays
        on
            coalesce(attributes.country, homes.country) = holidays.country
            and holidays.is_next
    {%- for habit in habits %}
        left join {{ habit }}_totals on profiles.profile_id = {{ habit }}_totals.profile_id
        left join {{ habit }}s on profiles.profile_id = {{ habit }}s.profile_id
    {%- endfor %}
)

select * from final
