"""The ERP's tables, in the columns of the contract, from customers to tickets."""

import duckdb

from sources.sample.traps import DEFAULT_CUSTOMER_EMAIL, DEFAULT_CUSTOMER_ID

# Orders taken at the counter for somebody in a hurry go to the till's default customer. One person
# in twenty-five was entered twice, the second time on the phone.
_CUSTOMERS = f"""
create table order_customers as
select
    orders.order_no,
    orders.person_no,
    case
        when
            orders.channel = 'counter'
            and share(orders.person_no, orders.basket_id, 'in a hurry') < 0.4
            then 9
        when orders.channel = 'phone' and share(orders.person_no, 0, 'entered twice') < 0.3 then 2
        else 1
    end::tinyint as entry
from orders
where orders.has_erp;

create macro customer_code(person_no, entry) as case entry
    when 9 then '{DEFAULT_CUSTOMER_ID}'
    else 'C' || entry || padded(person_no, 7)
end;

create table customer_versions as
with entered as (
    select distinct person_no, entry from order_customers where entry <> 9
    union
    select person_no, 1 from persons
    where
        (kind = 'subscriber' and has_account)
        or (is_member and share(person_no, 0, 'in the ERP') < 0.1)
),

dated as (
    select
        persons.*,
        entered.entry,
        case
            when first_day < 20 then -20 - pick(person_no, entry, 'entered', 900)
            else first_day - 1
        end::integer as entered_day,
        case when share(person_no, entry, 'entry changes') < 0.12
            then greatest(first_day, pick(person_no, entry, 'entry changed', 360))
        end::integer as changed_day,
        30000 + pick(person_no, entry, 'entered at', 30000) as entered_second
    from entered
    inner join persons using (person_no)
),

versions as (
    select *, entered_day as version_day, false as is_later from dated
    union all
    select *, changed_day, true from dated where changed_day > entered_day
)

select
    v.person_no,
    v.entry,
    v.version_day,
    customer_code(v.person_no, v.entry) as customer_id,
    typed(v.given_name, v.person_no * 10 + v.entry, 'given in ERP') as given_name,
    typed(v.family_name, v.person_no * 10 + v.entry, 'family in ERP') as family_name,
    case when share(v.person_no, 0, 'birthday in ERP') < 0.5 then v.birth_date end as birth_date,
    case when v.entry = 1 then v.tax_id end as tax_id,
    case
        when v.entry = 2 then coalesce(
            v.second_email, case when share(v.person_no, 0, 'mail again') < 0.5 then v.email end
        )
        when not v.is_online and share(v.person_no, 0, 'mail in ERP') < 0.4 then null
        when share(v.person_no, 0, 'mail in ERP') > 0.92 then coalesce(v.second_email, v.email)
        else v.email
    end as email,
    case
        when v.version_day not between v.phone_from and v.phone_to then v.second_phone
        when not v.is_online or v.entry = 2 or share(v.person_no, 0, 'phone in ERP') < 0.7
            then spoken(v.phone, v.country, v.person_no + 7)
    end as phone,
    v.street_address, v.city, v.postal_code, v.country,
    case when v.entry = 1 and not v.is_private and share(v.person_no, 0, 'card in ERP') < 0.6
        then v.loyalty_id
    end as loyalty_id,
    case when v.entry = 1 then v.user_id end as web_user_id,
    iso(moment(v.entered_day, v.entered_second)) as created_at,
    iso(moment(v.version_day, v.entered_second + 900 * v.is_later::integer)) as updated_at,
    share(v.person_no, v.entry, 'inactive') >= 0.01 as is_active,
    flag(v.email_mood, 0.64, 0.85) as email_marketing,
    flag(v.sms_mood, 0.42, 0.8) as sms_marketing,
    flag(v.chat_mood, 0.3, 0.6) as whatsapp_marketing,
    flag(v.chat_mood, 0.15, 0.5) as viber_marketing
from versions as v;
"""

CUSTOMERS = f"""
select * exclude (person_no, entry, version_day)
from (
    from customer_versions
    union all by name
    select
        '{DEFAULT_CUSTOMER_ID}' as customer_id, 'CLIENTE' as given_name, 'FINAL' as family_name,
        '{DEFAULT_CUSTOMER_EMAIL}' as email, iso(on_day(-400)) as created_at,
        iso(on_day(-400)) as updated_at,
        true as is_active, null as person_no, 9 as entry, -400 as version_day
)
where {{where}}
order by version_day, customer_id, updated_at
"""

PRODUCTS = """
select
    product_id::varchar as product_id, name, category, brand, list_price, 'EUR' as currency,
    timezone('UTC', on_day(-60)::timestamp) as updated_at
from products
where is_listed and {where}
order by product_id
"""

# Grain: one row a version of an order. A quarter of the delivered were exported before, confirmed.
_ORDERS = """
create table order_versions as
with versions as (
    select orders.* replace (
        'confirmed' as status,
        null as delivered_at,
        ordered_at + interval 20 minute as updated_at
    )
    from orders
    where
        has_erp
        and status = 'delivered'
        and channel <> 'counter'
        and share(person_no, basket_id, 'exported twice') < 0.25
    union all
    from orders where has_erp
)

select
    versions.updated_at as version_at,
    order_code(versions.order_no) as order_id,
    customer_code(versions.person_no, order_customers.entry) as customer_id,
    iso(versions.ordered_at) as ordered_at,
    case versions.channel when 'counter' then 'store' else versions.channel end as channel,
    versions.status,
    versions.currency,
    versions.amount + versions.shipping_amount as total_amount,
    versions.discount_amount,
    versions.shipping_amount,
    versions.promo_code,
    versions.web_order_id,
    iso(versions.promised_at) as promised_at,
    iso(versions.delivered_at) as delivered_at,
    iso(versions.updated_at) as updated_at
from versions
inner join order_customers using (order_no);
"""

_CODES = """
create macro order_code(order_no) as 'O' || padded(order_no, 8);
create macro ticket_code(ticket_no) as 'T' || padded(ticket_no, 7);
create macro return_code(order_no) as 'X' || padded(order_no, 8);
"""

ORDERS = """
select * exclude (version_at) from order_versions where {where} order by version_at, order_id
"""

ORDER_LINES = """
select
    order_code(orders.order_no) as order_id, lines.line_no::bigint as line_no,
    lines.product_id::varchar as product_id,
    lines.quantity::decimal(18, 4) as quantity, lines.unit_price::decimal(18, 4) as unit_price,
    lines.discount_amount::decimal(18, 4) as discount_amount,
    lines.line_amount::decimal(18, 4) as line_amount
from orders
inner join lines using (basket_id)
where orders.has_erp and {where}
order by orders.order_no, lines.line_no
"""

RETURNS = """
select to_json({{
    'return_id': return_code(order_no), 'order_id': order_code(order_no),
    'product_id': line.product_id::varchar,
    'quantity': line.quantity::integer, 'refund_amount': line.line_amount, 'currency': currency,
    'returned_at': iso(returned_at), 'reason': reason
}})::varchar as line
from order_returns
where {where}
order by returned_at, order_no
"""

# Grain: one row a ticket, in the file of the month in which it was opened.
TICKETS = """
select
    ticket_code(tickets.ticket_no) as ticket_id,
    customer_code(tickets.person_no, order_customers.entry) as customer_id,
    iso(tickets.opened_at) as opened_at,
    iso(tickets.closed_at) as closed_at,
    tickets.category,
    case when tickets.closed_at is null then 'open' else 'closed' end as status
from tickets
inner join order_customers using (order_no)
where {where}
order by tickets.ticket_no
"""


def prepare_erp(connection: duckdb.DuckDBPyConnection) -> None:
    """Create `order_customers`, `customer_versions` and `order_versions`."""
    for statements in (_CODES, _CUSTOMERS, _ORDERS):
        connection.execute(statements)
