"""Purchases: whose basket each one is, where and when, in a shop or as an order.

Each basket of the dataset lands in exactly one place — a receipt, an ERP order, an Order Completed
that the ERP hasn't got — so that the amounts of the world add up to those of the dataset.
"""

import duckdb

# Clones live their household's year some days off, reflected at both ends of the year. The very
# last basket stays in its shop, so that receipts reach the day before as_of in any world.
_BASKETS = """
create table visits as
with moved as (
    select
        persons.person_no,
        persons.is_online,
        persons.has_app,
        persons.country,
        baskets.basket_id,
        persons.clone,
        baskets.store_no,
        baskets.has_fuel,
        case when persons.clone = 0 then baskets.day else baskets.day
            + pick(persons.person_no, 0, 'year moved', 21) - 10
            + pick(persons.person_no, baskets.basket_id, 'day moved', 5) - 2 end as day,
        case when persons.clone = 0 then baskets.second else greatest(0, least(86399, baskets.second
            + pick(persons.person_no, baskets.basket_id, 'hour moved', 3600) - 1800)) end as second,
        share(persons.person_no, baskets.basket_id, 'channel') as channel_draw,
        0.2 + 0.4 * share(persons.person_no, 0, 'online habit') as online_habit
    from persons
    inner join baskets using (household_no)
    where persons.kind = 'shopper'
)

select
    moved.person_no,
    moved.basket_id,
    moved.clone,
    case
        when moved.day < 0 then -moved.day when moved.day > 364 then 728 - moved.day else moved.day
    end::smallint as day,
    moved.second::integer as second,
    case
        when share(moved.person_no, moved.basket_id, 'journey') < 0.02 then moved.store_no
        else store_counterparts.counterpart
    end as store_no,
    case
        when moved.has_fuel then 'store'
        when moved.is_online and moved.channel_draw < moved.online_habit
            then case
                when moved.has_app and share(moved.person_no, moved.basket_id, 'app') < 0.6
                    then 'app'
                else 'web'
            end
        when moved.channel_draw > 0.994 then 'phone'
        when moved.channel_draw > 0.988 then 'counter'
        else 'store'
    end as channel
from moved
inner join store_counterparts
    on moved.store_no = store_counterparts.store_no and moved.country = store_counterparts.country;

create table last_visit as
select person_no, basket_id, day from visits order by day desc, person_no, basket_id limit 1;
update visits set channel = 'store' from last_visit
where visits.person_no = last_visit.person_no and visits.basket_id = last_visit.basket_id;
"""

# Offsets at noon of each day; a basket in the night of the change is an hour off, and says so.
_CALENDAR = """
create table calendar as
select
    countries.country,
    days.day::smallint as day,
    on_day(days.day) as local_on,
    datediff(
        'minute',
        timezone('UTC', timezone(countries.timezone, on_day(days.day) + interval 12 hour)),
        on_day(days.day) + interval 12 hour
    )::integer as offset_minutes,
    printf(
        '%s%02d:%02d', case when offset_minutes < 0 then '-' else '+' end,
        (abs(offset_minutes) // 60)::integer, (abs(offset_minutes) % 60)::integer
    ) as offset_text
from countries
cross join range(-60, 366) as days (day);
"""

# Who is known at the till. loyalty: 0 none, 1 first card, 2 the card that replaced it, 9 the till's
# default customer. paid_by: 0 cash, 1 or 2 the payment card. told: what was said for the e-receipt.
_RECEIPTS = """
create table receipts as
with drawn as (
    select
        visits.person_no,
        visits.basket_id,
        visits.clone,
        visits.day,
        visits.second,
        visits.store_no,
        persons.is_member,
        persons.second_loyalty_id is not null as has_new_loyalty,
        persons.second_card is not null as has_second_card,
        persons.is_private,
        visits.day between persons.phone_from and persons.phone_to as has_phone,
        share(visits.person_no, visits.basket_id, 'loyalty') as loyalty_draw,
        share(visits.person_no, visits.basket_id, 'paid') as paid_draw,
        share(visits.person_no, visits.basket_id, 'told') as told_draw,
        share(visits.person_no, visits.basket_id, 'default') as default_draw
    from visits
    inner join persons using (person_no)
    where visits.channel = 'store'
)

select
    person_no, basket_id, clone, day, second, store_no,
    case
        when is_member and loyalty_draw < 0.86
            then case when has_new_loyalty and day > 180 then 2 else 1 end
        when default_draw < 0.015 then 9
        else 0
    end::tinyint as loyalty,
    case
        when paid_draw > case when is_member then 0.7 else 0.82 end then 0
        when has_second_card and paid_draw < 0.2 then 2
        else 1
    end::tinyint as paid_by,
    case
        when is_private then null
        when told_draw < case when is_member then 0.02 else 0.09 end then 'email'
        when told_draw < case when is_member then 0.025 else 0.13 end and has_phone then 'phone'
    end as told
from drawn;
"""

_RETURNS = """
create table returned_lines as
with candidates as (
    select
        receipts.*,
        (1 + pick(receipts.person_no, receipts.basket_id, 'days kept', 13))::smallint as days_kept,
        -- Some are brought back without the receipt.
        share(receipts.person_no, receipts.basket_id, 'kept receipt') < 0.85 as has_original
    from receipts
    where share(receipts.person_no, receipts.basket_id, 'brought back') < 0.015
)

select
    candidates.* exclude (day, second),
    (candidates.day + candidates.days_kept)::smallint as day,
    (36000 + pick(candidates.person_no, candidates.basket_id, 'hour back', 30000))::integer
        as second,
    arg_min(
        lines.line_no,
        draw(candidates.person_no, lines.basket_id * 1000 + lines.line_no, 'line back')
    ) as line_no
from candidates
inner join lines using (basket_id)
where
    lines.line_amount > 0
    and not lines.is_fuel
    and candidates.day + candidates.days_kept <= (select day from last_visit)
group by all;
"""

_ORDERS = """
create table orders as
with placed as (
    select
        visits.*,
        persons.country,
        persons.currency,
        persons.has_account,
        baskets.amount,
        baskets.discount_amount,
        baskets.promo_code,
        calendar.local_on + to_seconds(visits.second) - to_minutes(calendar.offset_minutes)
            as ordered_at,
        case when baskets.amount >= 35 then 0 else 3.9 end::decimal(12, 2) as shipping_amount,
        (1 + pick(visits.person_no, visits.basket_id, 'days to deliver', 5))::integer
            as delivery_days
    from visits
    inner join persons using (person_no)
    inner join baskets using (basket_id)
    inner join calendar on persons.country = calendar.country and visits.day = calendar.day
    where visits.channel <> 'store'
),

dated as (
    select
        *,
        getvariable('as_of') - ordered_at as age,
        case
            when channel = 'counter' then ordered_at
            else ordered_at + to_days(delivery_days)
                + to_minutes(pick(person_no, basket_id, 'delivered', 600))
        end as arrives_at,
        channel in ('web', 'app') and share(person_no, basket_id, 'tracked') < 0.95 as has_events,
        share(person_no, basket_id, 'exported') as export_draw,
        share(person_no, basket_id, 'cancelled') < 0.03 as is_cancelled
    from placed
),

followed as (
    select
        *,
        -- The shop reports at once, the ERP catches up by night and now and then loses one.
        not (
            has_events
            and (export_draw < 0.01 or (export_draw < 0.6 and age < interval 1 day))
        ) as has_erp,
        case
            when channel = 'counter' then 'delivered'
            when is_cancelled then 'cancelled'
            when arrives_at <= getvariable('as_of') then 'delivered'
            when age < interval 1 day and export_draw < 0.8 then 'pending'
            when age < interval 2 day then 'confirmed'
            else 'shipped'
        end as status
    from dated
)

select
    *,
    row_number() over (order by ordered_at, person_no, basket_id) as order_no,
    case when channel in ('web', 'app') then concat('W', basket_id, '-', clone) end as web_order_id,
    -- Two in a hundred were promised for the day before they arrive.
    case
        when channel = 'counter' then ordered_at
        when export_draw > 0.98 then arrives_at - interval 1 day
        else arrives_at + interval 1 day
    end as promised_at,
    case when status = 'delivered' then arrives_at end as delivered_at,
    case status
        when 'delivered' then arrives_at
        when 'cancelled' then least(ordered_at + interval 7 hour, getvariable('as_of'))
        when 'shipped' then ordered_at + interval 30 hour
        else ordered_at
    end as updated_at
from followed;
"""

_ORDER_RETURNS = """
create table order_returns as
with candidates as (
    select
        *,
        delivered_at + to_hours(20 + pick(person_no, basket_id, 'order kept', 200)) as returned_at
    from orders
    where
        status = 'delivered'
        and has_erp
        and share(person_no, basket_id, 'order back') < 0.05
)

select
    candidates.order_no,
    candidates.person_no,
    candidates.basket_id,
    candidates.currency,
    candidates.returned_at,
    arg_min(
        lines,
        draw(candidates.person_no, lines.basket_id * 1000 + lines.line_no, 'order line back')
    ) as line,
    one_of(
        ['damaged', 'wrong product', 'changed mind', 'late'],
        candidates.person_no, candidates.basket_id, 'why'
    ) as reason
from candidates
inner join lines using (basket_id)
where lines.line_amount > 0 and candidates.returned_at <= getvariable('as_of')
group by all;
"""


def make_purchases(connection: duckdb.DuckDBPyConnection) -> None:
    """Create `receipts`, `returned_lines`, `orders` and `order_returns`; day 0 is `first_on`."""
    connection.execute(_BASKETS)
    # Day numbers become dates: the last receipt falls on the day before as_of.
    connection.execute(
        "set variable first_on = getvariable('last_on') - (select day::integer from last_visit)"
    )
    for statements in (_CALENDAR, _RECEIPTS, _RETURNS, _ORDERS, _ORDER_RETURNS):
        connection.execute(statements)
    connection.execute("drop table visits")
