"""Millions of records of people who have four each, as identity reads them.

A person is a customer of the ERP with an e-mail, an account that a browser signed in to with the
e-mail, the same browser unknown, and a receipt with the loyalty card that a quarter of the
customers' records name: 1.6 identifiers a record, and persons of one to six identifiers.
"""

import duckdb

from sources.sample.names import read_names

RECORDS_OF_A_PERSON = 4


def write_signals(connection: duckdb.DuckDBPyConnection, records: int, first: int = 0) -> None:
    """Make staging.stg_identity__signals, of the persons from number `first` on."""
    persons = records // RECORDS_OF_A_PERSON
    connection.execute("create schema if not exists staging")
    connection.execute(
        f"""
        create or replace table staging.stg_identity__signals as
        with persons as (
            select range as person, md5(range::varchar) as code,
                hash(range) % 4 = 0 as names_card,
                timestamptz '2020-01-01 00:00:00+00'
                    + to_seconds((hash(range, 'since') % 100_000_000)::bigint) as since
            from range({first}, {first} + {persons})
        ),
        records as (
            select person, code, names_card, since, unnest(range({RECORDS_OF_A_PERSON})) as kind
            from persons
        )
        select md5(code || kind) as signal_id,
            ['erp', 'web', 'web', 'pos'][kind + 1] as source,
            ['erp_customers', 'web_events', 'web_events', 'pos_receipt_lines'][kind + 1]
                as source_table,
            case when kind in (1, 2) then 'a-' || code end as anonymous_id,
            null::varchar as user_id, null::varchar as previous_id, null::varchar as device_id,
            case when kind in (0, 1) then 'p' || person || '@example.com' end as email,
            null::varchar as phone,
            case when kind = 3 or (kind = 0 and names_card) then (2_000_000_000 + person)::varchar
            end as loyalty_id,
            case when kind = 0 then 'C' || person end as erp_customer_id,
            case when kind = 3 and hash(person, 'paid') % 20 < 3 then 'k' || code end
                as payment_card,
            null::varchar as tax_id, 'RO' as country,
            null::varchar as given_name, null::varchar as family_name,
            null::varchar as street_address, null::varchar as city, null::varchar as postal_code,
            null::date as birth_date,
            since + to_days(kind::integer) as first_seen_at,
            since + to_days((kind + 30)::integer) as last_seen_at,
            (1 + hash(person, kind) % 5)::bigint as record_count
        from records
        """
    )


def write_registrations(connection: duckdb.DuckDBPyConnection, count: int) -> None:
    """The same of customers of the ERP and, for one in four, a card that says it with mistakes."""
    read_names(connection)
    connection.execute("create schema if not exists staging")
    connection.execute(
        f"""
        create or replace table staging.stg_identity__signals as
        with lists as (
            select kind, list(word order by position) as words
            from words where country = 'RO' and gender = 'F' group by kind
        ),
        said as (
            select range as person, lists.kind,
                lists.words[1 + (hash(range, lists.kind) % len(lists.words))::bigint] as word
            from range({count * 4 // 5}) cross join lists
        ),
        persons as (
            select person, any_value(word) filter (kind = 'given') as given_name,
                any_value(word) filter (kind = 'family') as family_name,
                any_value(word) filter (kind = 'street') || ' ' || (hash(person) % 90) as street,
                any_value(word) filter (kind = 'city') as city,
                date '1940-01-01' + (hash(person, 'born') % 24000)::integer as birth_date
            from said group by person
        ),
        records as (
            select *, false as is_card from persons
            union all
            select * replace (
                case when hash(person, 'typo') % 3 = 0 then left(family_name, -1)
                    else family_name end as family_name,
                case when hash(person, 'moved') % 5 = 0 then null else street end as street,
                case when hash(person, 'untold') % 5 = 0 then null else birth_date end
                    as birth_date
            ), true from persons where person % 4 = 0
        )
        select 's' || person || is_card as signal_id, if(is_card, 'pos', 'erp') as source,
            if(is_card, 'pos_members', 'erp_customers') as source_table,
            null::varchar as anonymous_id, null::varchar as user_id, null::varchar as previous_id,
            null::varchar as device_id, null::varchar as email, null::varchar as phone,
            if(is_card, 'L' || person, null) as loyalty_id,
            if(is_card, null, 'C' || person) as erp_customer_id,
            null::varchar as payment_card, null::varchar as tax_id, 'RO' as country,
            given_name, family_name, street as street_address, city,
            (100000 + hash(city) % 899999)::varchar as postal_code, birth_date,
            timestamptz '2025-01-01 00:00:00+00' as first_seen_at,
            timestamptz '2025-01-01 00:00:00+00' as last_seen_at, 1::bigint as record_count
        from records
        """
    )
