with present as (
    select {{ today() }} as as_of
),

birthdays as (
    select
        profile_id,
        'birthday' as occasion,
        birth_date as began_on
    from {{ ref("int_profile_attributes") }}
    where birth_date is not null
),

first_purchases as (
    select
        profile_id,
        'first_purchase_anniversary' as occasion,
        min(purchased_on) as began_on
    from {{ ref("int_purchase_days") }}
    group by profile_id
),

occasions as (
    select * from birthdays
    union all
    select * from first_purchases
),

-- Somebody may say to be born tomorrow, and a store east of here sell on that date already.
counted as (
    select
        occasions.*,
        present.as_of,
        greatest(year(present.as_of) - year(occasions.began_on), 1) as years
    from occasions
    cross join present
    where occasions.began_on <= present.as_of
),

this_year as (
    select
        *,
        {{ years_after("began_on", "years") }} as next_on
    from counted
),

upcoming as (
    select
        profile_id,
        as_of,
        occasion,
        case when next_on >= as_of then years else years + 1 end as years,
        case
            when next_on >= as_of then next_on
            else {{ years_after("began_on", "years + 1") }}
        end as next_on
    from this_year
),

final as (
    select
        profile_id,
        as_of,
        occasion,
        next_on,
        cast({{ days_between("as_of", "next_on") }} as bigint) as days_until,
        cast(years as bigint) as years
    from upcoming
    where occasion <> 'birthday' or years <= {{ var("occasion_age_to") }}
)

select * from final
