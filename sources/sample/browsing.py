"""What people do on the site and in the app: the road to each order, visits, carts.

Grain of `events`: one row an event, narrow; `rendering` turns it into a line of JSON. `visitor`
numbers the anonymous id: 1 … 3 browsers of a person, 11 the app, 20 the mail tool's own number of
somebody without an account, 91 … a shop tablet, 0 none.
`is_known` says that the person was logged in, or had left an e-mail.
"""

import duckdb

_EVENTS = """
create table events (
    source varchar, kind varchar, person_no integer, happened_at timestamp,
    visitor tinyint, is_known boolean,
    basket_id bigint, product_id bigint, quantity decimal(12, 3), price decimal(12, 4), note varchar
);

create macro browser(count, day) as (1 + (greatest(0, least(364, day)) * count) // 365)::tinyint;
"""

# Half an hour from the first page to the order. Many log in only at the checkout.
_ORDER_ROAD = """
create table order_events as
select
    orders.person_no,
    orders.basket_id,
    orders.channel as source,
    orders.ordered_at,
    orders.web_order_id,
    orders.promo_code,
    case orders.channel
        when 'app' then 11
        else browser(persons.browser_count, orders.day)
    end::tinyint as visitor,
    persons.has_account and share(orders.person_no, orders.basket_id, 'logged in') < 0.4
        as is_known,
    concat(
        '"order_id":"', orders.web_order_id, '","revenue":', orders.amount,
        ',"total":', orders.amount + orders.shipping_amount, ',"shipping":', orders.shipping_amount,
        ',"discount":', orders.discount_amount, ',"currency":"', orders.currency, '"',
        ',"coupon":"' || orders.promo_code || '"'
    ) as note
from orders
inner join persons using (person_no)
where orders.has_events;

insert into events
select
    source, case source when 'app' then 'screen' else 'page' end, person_no,
    ordered_at - to_seconds(1500 + pick(person_no, basket_id, 'came', 900)), visitor, is_known,
    basket_id, null, null, null, '/'
from order_events;

insert into events
select
    order_events.source, steps.kind, order_events.person_no,
    order_events.ordered_at - to_seconds(steps.lead - 90 * lines.line_no),
    order_events.visitor, order_events.is_known,
    order_events.basket_id, lines.product_id, lines.quantity, lines.unit_price, null
from order_events
inner join lines on order_events.basket_id = lines.basket_id and lines.line_no <= 3
inner join (values ('viewed', 900), ('added', 850)) as steps (kind, lead)
    on steps.kind = 'added' or lines.line_no = 1;

insert into events
select
    order_events.source, steps.kind, order_events.person_no,
    order_events.ordered_at - to_seconds(steps.lead), order_events.visitor, true,
    order_events.basket_id, null, null, null,
    case steps.kind when 'coupon' then order_events.promo_code else order_events.note end
from order_events
inner join (values ('checkout', 240), ('coupon', 120), ('completed', 0)) as steps (kind, lead)
    on steps.kind <> 'coupon' or order_events.promo_code is not null;
drop table order_events;
"""

# A visit is a page and one or two products that the household likes. Three to ten a year for
# whoever is online; in the last day nearly half of those who seem lost come back to look.
_VISITS = """
create table rhythms as
select
    persons.*,
    persons.kind = 'shopper' and 364 - persons.last_day > greatest(
        21, 2.5 * (persons.last_day - persons.first_day) / greatest(persons.basket_count - 1, 1)
    ) as seems_lost
from persons
where persons.is_online;

create table sessions as
with yearly as (
    select
        rhythms.person_no,
        numbers.n::integer as n,
        moment(
            rhythms.first_day + pick(
                rhythms.person_no, numbers.n, 'visit day', greatest(365 - rhythms.first_day, 1)
            ),
            25200 + pick(rhythms.person_no, numbers.n, 'visit hour', 55000)
        ) as started_at
    from rhythms
    cross join range(10) as numbers (n)
    where numbers.n < case rhythms.kind
        when 'visitor' then 1 + pick(rhythms.person_no, 0, 'visits', 3)
        else 3 + pick(rhythms.person_no, 0, 'visits', 8)
    end
),

yesterday as (
    select
        person_no,
        1000 as n,
        getvariable('as_of') - to_seconds(4000 + pick(person_no, 0, 'last visit', 80000))
            as started_at
    from rhythms
    where
        share(person_no, 0, 'came back')
        < case when seems_lost then 0.45 when kind = 'visitor' then 0.05 else 0.1 end
),

everything as (
    select * from yearly where started_at < getvariable('as_of') - interval 1 hour
    union all
    select * from yesterday
)

select
    everything.*,
    rhythms.household_no,
    rhythms.has_account
        and share(everything.person_no, everything.n, 'logs in')
        < case when everything.n = 1000 then 0.9 else 0.55 end as is_known,
    case when rhythms.has_app and share(everything.person_no, everything.n, 'in app') < 0.5 then 11
        else browser(rhythms.browser_count, day_of(everything.started_at))
    end::tinyint as visitor
from everything
inner join rhythms using (person_no);

insert into events
select
    case visitor when 11 then 'app' else 'web' end,
    case visitor when 11 then 'screen' else 'page' end,
    person_no, started_at, visitor, is_known, n, null, null, null,
    ['/', '/offers', '/search', '/account'][1 + pick(person_no, n, 'landed', 4)]
from sessions;

insert into events
select
    case sessions.visitor when 11 then 'app' else 'web' end, 'viewed', sessions.person_no,
    sessions.started_at + to_seconds(40 + 70 * looks.n),
    sessions.visitor, sessions.is_known, sessions.n,
    tastes.product_id, 1, tastes.price, null
from sessions
cross join range(2) as looks (n)
inner join tastes
    on sessions.household_no = tastes.household_no
    and tastes.rank = 1 + pick(sessions.person_no, sessions.n * 10 + looks.n, 'looked at', 12)
where looks.n = 0 or share(sessions.person_no, sessions.n, 'looks again') < 0.5;
drop table sessions;
"""

# Carts left standing: abandoned between an hour and three days ago, still active, or long expired.
_CARTS = """
create table carts as
with ranked as (
    select *, percent_rank() over (order by draw(person_no, 0, 'cart'), person_no) as rank
    from rhythms
    where kind <> 'visitor'
),

placed as (
    select
        *,
        case
            when rank < 0.07 then 'abandoned' when rank < 0.09 then 'active' else 'expired'
        end as state
    from ranked
    where rank < 0.13
)

select
    person_no, household_no, state,
    -- Most are recognised; a cart nobody can be tied to helps no one.
    share(person_no, 0, 'cart owner') < 0.85 as is_known,
    case
        when has_app and share(person_no, 0, 'cart in app') < 0.5 then 11
        else browser(browser_count, 364)
    end::tinyint as visitor,
    getvariable('as_of') - case state
        when 'abandoned' then to_minutes(90 + pick(person_no, 0, 'cart age', 4100))
        when 'active' then to_minutes(12 + pick(person_no, 0, 'cart age', 40))
        else to_hours(80 + pick(person_no, 0, 'cart age', 800))
    end as started_at,
    2 + pick(person_no, 0, 'cart size', 3) as size
from placed;

insert into events
select
    case carts.visitor when 11 then 'app' else 'web' end, steps.kind, carts.person_no,
    carts.started_at + to_seconds(steps.lag + 60 * items.n),
    carts.visitor, carts.is_known, -1, tastes.product_id,
    1 + pick(carts.person_no, items.n, 'pieces', 3), tastes.price, null
from carts
cross join range(5) as items (n)
inner join tastes on carts.household_no = tastes.household_no and tastes.rank = 13 + items.n
inner join (values ('viewed', 0), ('added', 20), ('removed', 300)) as steps (kind, lag)
    on steps.kind <> 'removed' or (items.n = 0 and share(carts.person_no, 0, 'thinks twice') < 0.25)
where items.n < carts.size;

insert into events
select
    case visitor when 11 then 'app' else 'web' end, steps.kind, person_no,
    started_at + to_seconds(steps.lag), visitor, is_known, -1, null, null, null, null
from carts
inner join (values ('cart_viewed', 400), ('checkout', 440)) as steps (kind, lag)
    on steps.kind = 'cart_viewed' or share(person_no, 0, 'gets to the till') < 0.4;
"""


def make_browsing(connection: duckdb.DuckDBPyConnection) -> None:
    """Create `events` and fill it with orders, visits and carts; create `rhythms` and `carts`."""
    for statements in (_EVENTS, _ORDER_ROAD, _VISITS, _CARTS):
        connection.execute(statements)
