"""The truth beside the landing zone: which person each record belongs to, and who shares what.

records.parquet      one row a record: source, table, record_key, person_id, has_identifier, trap
identifiers.parquet  one row an identifier × person: identifier_type, identifier_value, person_id,
                     valid_from, valid_to, is_shared, trap
people.parquet       one row a person; those of one family_no live together (household_id is the
                     dataset's: whose receipts the person has)
dirt.parquet         one row a planted record: source, table, file, line, kind, record_key

A record's key is its message, receipt, order, return, ticket, customer or loyalty number.
`has_identifier` says that the record carries something that could tie it to a person; a receipt
paid in cash belongs to somebody all the same. A record of the default customer names the trap.
"""

from pathlib import Path

import duckdb

from sources.sample.rendering import EVENTS
from sources.sample.traps import (
    DEFAULT_CUSTOMER_EMAIL,
    DEFAULT_CUSTOMER_ID,
    DEFAULT_LOYALTY_ID,
    PLACEHOLDER_USER_ID,
)

_RECORDS = f"""
select
    source, 'events' as "table", message_id as record_key, person_id,
    coalesce(anonymous_id, known_user_id, told_email, told_device_id) is not null as has_identifier,
    case when visitor > 90 then 'shop_tablet'
        when known_user_id = '{PLACEHOLDER_USER_ID}' then 'placeholder'
    end as trap
from ({EVENTS})
union all
select
    'pos', 'receipt_lines', concat('R', basket_id, '-', receipts.clone), persons.person_id,
    loyalty > 0 or paid_by > 0 or told is not null, case loyalty when 9 then 'default_customer' end
from receipts inner join persons using (person_no)
union all
select
    'pos', 'receipt_lines', concat('B', basket_id, '-', returned_lines.clone), persons.person_id,
    loyalty > 0 or paid_by > 0 or told is not null, case loyalty when 9 then 'default_customer' end
from returned_lines inner join persons using (person_no)
union all
select 'pos', 'members', member_versions.loyalty_id, persons.person_id, true, null
from (select distinct person_no, loyalty_id from member_versions) as member_versions
inner join persons using (person_no)
union all
select 'pos', 'members', '{DEFAULT_LOYALTY_ID}', null, true, 'default_customer'
union all
select 'erp', 'customers', customer_versions.customer_id, persons.person_id, true, null
from (select distinct person_no, customer_id from customer_versions) as customer_versions
inner join persons using (person_no)
union all
select 'erp', 'customers', '{DEFAULT_CUSTOMER_ID}', null, true, 'default_customer'
union all
select
    'erp', kinds.kind,
    case kinds.kind when 'orders' then order_code(order_no) else return_code(order_no) end,
    persons.person_id, true,
    case entry when 9 then 'default_customer' end
from order_customers
inner join (values ('orders'), ('returns')) as kinds (kind)
    on kinds.kind = 'orders' or order_no in (select order_no from order_returns)
inner join persons using (person_no)
union all
select 'erp', 'tickets', ticket_code(ticket_no), persons.person_id, true, null
from tickets inner join persons using (person_no)
"""

_IDENTIFIERS = f"""
with owned as (
    select person_id, 'email' as type, unnest([email, second_email]) as value, -100000 as day_from,
    100000 as day_to,
        case when family_head is not null then 'family_email' end as trap
    from persons
    union all
    select person_id, 'phone', phone, phone_from, phone_to,
        case when phone_heir_of is not null or phone_to < 100000 then 'recycled_phone' end
    from persons
    union all
    select person_id, 'phone', second_phone, -100000, 100000, null from persons
    union all
    select person_id, 'loyalty_id', unnest([loyalty_id, second_loyalty_id]), -100000, 100000, null
        from persons
    union all
    select person_id, 'payment_card', unnest([card, second_card]), -100000, 100000, null
        from persons
    union all
    select person_id, 'user_id', unnest([user_id, old_user_id]), -100000, 100000, null from persons
    union all
    select person_id, 'device_id', device_id, -100000, 100000, null from persons
    union all
    select person_id, 'tax_id', tax_id, -100000, 100000, null from persons
    union all
    select
        persons.person_id, 'anonymous_id', visitor_code(persons.person_no, visitors.visitor),
        -100000, 100000,
        case when visitors.visitor > 90 then 'shop_tablet' end
    from (select distinct person_no, visitor from events where visitor > 0) as visitors
    inner join persons using (person_no)
    union all
    select persons.person_id, 'device_id', device_code(null, (90 + tablet_no)::tinyint), -100000,
    100000, 'shop_tablet'
    from tablet_users inner join persons using (person_no)
    union all
    select persons.person_id, 'erp_customer_id', customer_versions.customer_id, -100000, 100000,
    null
    from (select distinct person_no, customer_id from customer_versions) as customer_versions
    inner join persons using (person_no)
    union all
    select persons.person_id, typed.kind, typed.value, -100000, 100000, 'placeholder'
    from placeholders
    cross join lateral (values ('email', placeholders.email),
        ('phone', placeholders.phone)) as typed (kind, value)
    inner join persons using (person_no)
    union all
    select distinct
        persons.person_id, 'user_id', '{PLACEHOLDER_USER_ID}', -100000, 100000, 'placeholder'
    from events as e inner join persons using (person_no) where is_mistaken(e)
    union all
    select distinct persons.person_id, 'loyalty_id', '{DEFAULT_LOYALTY_ID}', -100000, 100000,
    'default_customer'
    from receipts inner join persons using (person_no) where loyalty = 9
    union all
    select distinct persons.person_id, typed.kind, typed.value, -100000, 100000, 'default_customer'
    from order_customers
    cross join (values ('erp_customer_id', '{DEFAULT_CUSTOMER_ID}'),
        ('email', '{DEFAULT_CUSTOMER_EMAIL}')) as typed (kind, value)
    inner join persons using (person_no)
    where entry = 9
)

select distinct
    type as identifier_type,
    value as identifier_value,
    person_id,
    case when day_from > -100000 then on_day(day_from) end as valid_from,
    case when day_to < 100000 then on_day(day_to) end as valid_to,
    count(distinct person_id) over (partition by type, value) > 1 as is_shared,
    trap
from owned
where value is not null
"""

_PEOPLE = """
select
    person_id, kind, family_head as family_no, household_id, clone, country, given_name,
    family_name, birth_date, is_member, is_online, has_account, has_app, is_private, seems_lost,
    withdrew_at
from persons
left join households using (household_no)
left join (select person_no, seems_lost from rhythms) using (person_no)
left join (select person_no, withdrew_at from permissions) using (person_no)
"""

_DIRT = """
select
    null::text as source, null::text as "table", null::text as file, null::bigint as line,
    null::text as category, null::text as kind, null::text as record_key
where false
"""

_ORDER = {
    "records": 'source, "table", record_key',
    "identifiers": "identifier_type, identifier_value, person_id, trap",
    "people": "person_id",
    "dirt": "file",
}


def write_truth(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write records, identifiers and people as Parquet, and a list of dirt without an entry."""
    folder.mkdir(parents=True, exist_ok=True)
    queries = {"records": _RECORDS, "identifiers": _IDENTIFIERS, "people": _PEOPLE, "dirt": _DIRT}
    for name, query in queries.items():
        target = str(folder / f"{name}.parquet").replace("'", "''")
        connection.execute(
            f"copy ({query} order by {_ORDER[name]}) to '{target}' "
            "(format parquet, compression zstd)"
        )
