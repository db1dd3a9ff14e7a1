with present as (
    select {{ today() }} as as_of
),

holidays as (
    select * from {{ source("calendar", "holidays") }}
),

upcoming as (
    select
        holidays.country,
        min(holidays.holiday_on) as next_holiday_on
    from holidays
    cross join present
    where holidays.holiday_on >= present.as_of
    group by holidays.country
),

final as (
    select
        holidays.country,
        holidays.holiday_on,
        holidays.name,
        holidays.english_name,
        holidays.is_observed,
        coalesce(holidays.holiday_on = upcoming.next_holiday_on, false) as is_next
    from holidays
    left join upcoming on holidays.country = upcoming.country
)

select * from final
