"""Millions of records of people who have four each, as identity reads them.

A person is a customer of the ERP with an e-mail, an account that a browser signed in to with the
e-mail, the same browser unknown, and a receipt with the loyalty card that a quarter of the
customers' records name: 1.6 identifiers a record, and persons of one to six identifiers.
"""

import duckdb

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
            1 + hash(person, kind) % 5 as record_count
        from records
        """
    )
