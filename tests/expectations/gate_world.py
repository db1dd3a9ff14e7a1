"""A small sound warehouse, and for each critical check a defect that breaks just it.

Forty customers: the first ten never bought, the rest bought once (p10 to p19) or on four days.
"""

from datetime import UTC, datetime
from pathlib import Path

import duckdb

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
# The one e-mail address that a defect carries: it may appear nowhere outside the database.
PERSONAL = "ana.pereira@example.com"

_ORIGIN = (
    "null::json as _extra, i as _line, 'x.ndjson' as _landed_file, "
    "timestamptz '2026-02-28 06:00:00+00' as _loaded_at, false as _is_deleted"
)
_AS_OF = "timestamptz '2026-03-01 00:00:00+00'"

_EVENTS = f"""
    'track' as type, 'm' || i as "messageId", {_AS_OF} - interval 1 day as "timestamp",
    {_AS_OF} - interval 1 day as "originalTimestamp", {_AS_OF} - interval 1 day as "receivedAt",
    {_AS_OF} - interval 1 day as "sentAt", 'a' || i as "anonymousId", 'u' || i as "userId",
    null::varchar as "previousId", 'Product Viewed' as event, {_ORIGIN}
"""


def _members(start: int, end: int) -> str:
    return (
        "select 'p' || i as profile_id, 'p' || i || '@example.com' as email "
        f"from range({start}, {end}) as t(i)"
    )


TABLES = {
    "raw.web_events": f"select {_EVENTS} from range(40) as t(i)",
    "raw.app_events": f"select {_EVENTS} from range(40) as t(i)",
    "raw.erp_customers": f"""
        select 'c' || i as customer_id, 'c' || i || '@example.com' as email,
            null::varchar as phone, null::varchar as loyalty_id, null::varchar as web_user_id,
            null::varchar as tax_id, date '1980-01-01' as birth_date,
            {_AS_OF} - interval 1 day as updated_at, {_ORIGIN}
        from range(40) as t(i)
    """,
    "raw.erp_products": f"""
        select 'x' || i as product_id, 'Tea' as category, 1.5::decimal(18, 4) as list_price,
            'EUR' as currency, {_AS_OF} - interval 1 day as updated_at, {_ORIGIN}
        from range(40) as t(i)
    """,
    "raw.erp_orders": f"""
        select 'o' || i as order_id, 'c' || i as customer_id, 'web' as channel,
            'delivered' as status, 'EUR' as currency, 10::decimal(18, 4) as total_amount,
            {_AS_OF} - interval 3 day as ordered_at, {_AS_OF} - interval 1 day as delivered_at,
            {_ORIGIN}
        from range(40) as t(i)
    """,
    "raw.erp_order_lines": f"""
        select 'o' || i as order_id, 1 as line_no, 'x' || i as product_id,
            10::decimal(18, 4) as line_amount, {_ORIGIN}
        from range(40) as t(i)
    """,
    "raw.erp_returns": f"""
        select 'r' || i as return_id, 'o' || i as order_id, 5::decimal(18, 4) as refund_amount,
            'EUR' as currency, {_AS_OF} - interval 1 day as returned_at, {_ORIGIN}
        from range(40) as t(i)
    """,
    "raw.erp_tickets": f"""
        select 't' || i as ticket_id, 'c' || i as customer_id, 'open' as status,
            {_AS_OF} - interval 2 day as opened_at, {_AS_OF} - interval 1 day as closed_at,
            {_ORIGIN}
        from range(40) as t(i)
    """,
    "raw.pos_receipt_lines": f"""
        select 'b' || i as receipt_id, 1 as line_no, 's1' as store_id, 'x' || i as product_id,
            '2026-02-20T10:00:00' as sold_at, 1::decimal(18, 4) as quantity,
            10::decimal(18, 4) as line_amount, 'EUR' as currency, 'l' || i as loyalty_id,
            null::varchar as email, null::varchar as phone, null::varchar as payment_card_hash,
            {_ORIGIN}
        from range(40) as t(i)
    """,
    "raw.pos_members": f"""
        select 'l' || i as loyalty_id, 'l' || i || '@example.com' as email,
            date '1980-01-01' as birth_date, '2026-02-20T10:00:00' as updated_at, {_ORIGIN}
        from range(40) as t(i)
    """,
    "raw.pos_stores": f"""
        select 's' || i as store_id, 'Europe/Lisbon' as timezone, 38.7::double as latitude,
            -9.1::double as longitude, {_ORIGIN}
        from range(40) as t(i)
    """,
    "marts.customer_profiles": f"""
        select 'p' || i as profile_id, {_AS_OF} - interval 1 year as first_seen_at,
            {_AS_OF} - interval 2 hour as last_seen_at, 'p' || i || '@example.com' as email,
            3 as identifier_count,
            case when i >= 10 then {_AS_OF} - interval 80 day end as first_order_at,
            case when i >= 20 then {_AS_OF} - interval 20 day
                when i >= 10 then {_AS_OF} - interval 80 day end as last_order_at,
            case when i < 10 then 0 when i < 20 then 1 else 4 end::bigint as order_count,
            0::bigint as online_order_count,
            case when i < 10 then 0 when i < 20 then 1 else 4 end::bigint as store_order_count,
            'EUR' as currency, 10 as preferred_hour,
            {_AS_OF} - interval 2 hour as last_visit_at,
            'abandoned' as cart_state, 20::decimal(18, 4) as cart_value,
            {_AS_OF} - interval 2 hour as cart_updated_at
        from range(40) as t(i)
    """,
    "marts.customer_identifiers": f"""
        select 'p' || i as profile_id, 'email' as identifier_type,
            'p' || i || '@example.com' as identifier_value, 'pos' as source,
            {_AS_OF} - interval 1 year as first_seen_at, {_AS_OF} as last_seen_at,
            false as is_demoted
        from range(40) as t(i)
    """,
    "marts.customer_orders": f"""
        select 'o' || i || '_' || n as order_id, 'p' || i as profile_id, 'pos' as source,
            {_AS_OF} - interval 80 day + to_days((20 * n)::integer) as ordered_at,
            12::decimal(18, 4) as gross_amount, 0::decimal(18, 4) as refunded_amount,
            10::decimal(18, 4) as net_amount, 'EUR' as currency,
            10::decimal(18, 4) as reporting_amount
        from range(10, 40) as t(i), range(4) as u(n) where i >= 20 or n = 0
    """,
    "marts.customer_consents": f"""
        select 'p' || i as profile_id, 'email' as channel, 'marketing' as purpose,
            'granted' as state, {_AS_OF} - interval 1 day as decided_at, 'pos' as source
        from range(40) as t(i)
    """,
    "marts.customer_lifecycle": """
        select 'p' || i as profile_id, date '2026-03-01' as as_of,
            case when i < 10 then 'subscriber' when i < 30 then 'churned' else 'new' end as stage,
            case when i < 10 then null when i < 20 then 'one_timer'
                when i >= 30 then 'high_potential' end as segment,
            date '2026-02-20' as stage_since, 'new' as previous_stage
        from range(40) as t(i)
    """,
    "marts.churn_factors": """
        select 'p' || i as profile_id, date '2026-03-01' as as_of,
            case when i < 20 then 1 else 4 end::bigint as purchase_days,
            date '2025-12-11' as first_purchase_on, date '2026-02-09' as last_purchase_on,
            20::bigint as days_since_last_purchase,
            case when i >= 20 then 1.0::double + i end as churn_factor,
            0.5::double as return_probability, 1.0::double as expected_purchases,
            'moderate' as drop_severity
        from range(10, 40) as t(i)
    """,
    "marts.retention_kpis": """
        select day, 10 as subscribers, 0 as customers_at_risk, 20 as churned_customers
        from (values (date '2026-02-28'), (date '2026-03-01')) as t(day)
    """,
    "marts.identity_history": f"""
        select {_AS_OF} - interval 1 day as happened_at, 'merge' as kind, 'p90' as from_profile_id,
            'p1' as to_profile_id, 'same email' as reason
    """,
    "audiences.churned_visitors": _members(20, 30),
    "audiences.abandoned_carts": _members(20, 30),
    "audiences.frequency_drop": _members(30, 40),
    "audiences.first_purchase": _members(0, 10),
    "audiences.high_potential_new": _members(30, 40),
    "audiences.one_timers": _members(10, 20),
}


def build(path: Path) -> None:
    """Write the sound warehouse."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for schema in ("raw", "marts", "audiences"):
            connection.execute(f"create schema {schema}")
        for name, sql in TABLES.items():
            connection.execute(f"create table {name} as {sql}")


def plant(path: Path, *statements: str) -> None:
    """Change a warehouse."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for statement in statements:
            connection.execute(statement)
