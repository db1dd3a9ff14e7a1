"""One planted defect for each critical check: asset -> name of the check -> SQL that breaks it."""

FUTURE = "timestamptz '2026-03-09 00:00:00+00'"

# Broken alike wherever the check stands; {table} is the table, {column} the first word of the name.
ANYWHERE = {
    "has rows": "delete from {table}",
    "is never null": "update {table} set {column} = null where rowid = 3",
    "is unique": "insert into {table} from {table} where rowid = 3",
    "occurs in marts.customer_profiles": "update {table} set {column} = 'p999' where rowid = 3",
    "is known": "update {table} set {column} = 'bogus'",
    "isn't in the future": f'update {{table}} set "{{column}}" = {FUTURE}',
    "as_of is that of the build": "update {table} set as_of = date '2026-02-27' where rowid = 3",
    "email is the member's own": "update {table} set email = 'stranger@example.com' "
    "where rowid = 3",
    "no e-mail is that of a crowd": "insert into {table} by name select t.* replace "
    "('till@example.com' as email, {key} || '_' || n as {key}) "
    "from {table} as t, range(4) as r(n)",
}

_EVENTS = {
    "type is one of Segment's calls": "update {table} set type = null",
    "an event has a time": 'update {table} set "timestamp" = null, "sentAt" = null',
    "an event names somebody": 'update {table} set "anonymousId" = null, "userId" = null',
    "a tracked event has a name": "update {table} set event = null",
}

DEFECTS: dict[str, dict[str, str]] = {
    "raw/web_events": _EVENTS,
    "raw/app_events": _EVENTS,
    "raw/erp_orders": {"an order has a time": "update {table} set ordered_at = null"},
    "raw/erp_order_lines": {"a line has an amount": "update {table} set line_amount = null"},
    "raw/erp_tickets": {"a ticket has a status": "update {table} set status = null"},
    "marts/customer_profiles": {
        "order_count is that of marts.customer_orders": "delete from marts.customer_orders "
        "where order_id = 'o20_1'",
        "online and store orders are no more than all orders": "update {table} "
        "set online_order_count = 2 where rowid = 3",
        "first_seen_at isn't after last_seen_at": "update {table} "
        "set first_seen_at = last_seen_at + interval 1 hour where rowid = 3",
        "first_order_at isn't after last_order_at": "update {table} "
        "set first_order_at = last_order_at + interval 1 hour where rowid = 13",
        "nothing is seen after as_of": f"update {{table}} set last_seen_at = {FUTURE} "
        "where rowid = 3",
        "no profile holds more than 1000 identifiers": "update {table} "
        "set identifier_count = 1001 where rowid = 3",
        "all amounts are in one currency": "update {table} set currency = 'RON' where rowid = 3",
        "preferred_hour is an hour": "update {table} set preferred_hour = 24 where rowid = 3",
    },
    "marts/customer_identifiers": {
        "an identifier belongs to one profile": "update {table} set profile_id = 'p1' "
        "where rowid = 3; insert into {table} by name select * replace ('p2' as profile_id) "
        "from {table} where rowid = 3",
        "no profile holds more than 50 values of one type": "insert into {table} by name "
        "select t.* replace (identifier_value || n as identifier_value) "
        "from {table} as t, range(60) as r(n) where profile_id = 'p1'",
    },
    "marts/customer_orders": {
        "nothing is ordered after as_of": f"update {{table}} set ordered_at = {FUTURE} "
        "where rowid = 3",
        "purchases that landed are here": "delete from {table}",
        "net_amount isn't above gross_amount": "update {table} set net_amount = 99",
        "an amount has a currency": "update {table} set currency = null",
        "an amount can be converted": "update {table} set reporting_amount = null",
        "refunded_amount isn't negative": "update {table} set refunded_amount = -1",
    },
    "marts/customer_consents": {
        "nothing is decided after as_of": f"update {{table}} set decided_at = {FUTURE} "
        "where rowid = 3",
        "a granted consent has a source": "update {table} set source = null where rowid = 3",
    },
    "marts/customer_lifecycle": {
        "no stage begins after as_of": f"update {{table}} set stage_since = {FUTURE} "
        "where rowid = 3",
        "a subscriber has never bought, everybody else has": "update {table} "
        "set stage = 'subscriber' where rowid = 30",
        "everybody who bought has a stage": "delete from {table} where rowid = 30",
    },
    "marts/churn_factors": {
        "churn_factor is finite and not negative": "update {table} "
        "set churn_factor = 'inf'::double where rowid = 20",
        "churn_factor needs two days of purchase, and no more": "update {table} "
        "set churn_factor = 1 where purchase_days = 1",
        "return_probability is a probability": "update {table} "
        "set return_probability = 1.2 where rowid = 3",
        "expected_purchases is finite and not negative": "update {table} "
        "set expected_purchases = 'nan'::double where rowid = 3",
        "days_since_last_purchase is that of last_purchase_on": "update {table} "
        "set last_purchase_on = date '2026-04-01' where rowid = 3",
        "everybody who bought has a row": "delete from {table} where rowid = 3",
    },
    "marts/retention_kpis": {
        "day is never null": "update {table} set day = null where rowid = 0",
        "day is unique": "insert into {table} from {table} where rowid = 0",
        "the last day is that of the build": "update {table} set day = day - 2",
        "the last day counts the people of marts.customer_lifecycle": "update {table} "
        "set churned_customers = 7",
        "nothing counted is negative": "update {table} set customers_at_risk = -1 where rowid = 0",
    },
    "marts/identity_history": {
        "happened_at is never null": "update {table} set happened_at = null",
        "kind is never null": "update {table} set kind = null",
        "nobody merges with or splits from themselves": "update {table} "
        "set from_profile_id = to_profile_id",
    },
    "audiences/churned_visitors": {
        "every member is churned": "update marts.customer_lifecycle set stage = 'reactivated' "
        "where profile_id = 'p23'",
        "every member has visited": "update marts.customer_profiles set last_visit_at = null "
        "where profile_id = 'p23'",
    },
    "audiences/abandoned_carts": {
        "every member's cart is abandoned": "update marts.customer_profiles "
        "set cart_state = 'active' where profile_id = 'p23'",
    },
    "audiences/frequency_drop": {
        "every member's purchases have slowed": "update marts.churn_factors "
        "set drop_severity = 'none' where profile_id = 'p33'",
        "no member has churned": "update marts.customer_lifecycle set stage = 'churned' "
        "where profile_id = 'p33'",
    },
    "audiences/first_purchase": {
        "every member is a subscriber": "delete from marts.customer_lifecycle "
        "where profile_id = 'p3'",
        "no member has bought": "update marts.customer_profiles set order_count = 1 "
        "where profile_id = 'p3'",
    },
    "audiences/high_potential_new": {
        "every member is new": "update marts.customer_lifecycle set stage = 'active' "
        "where profile_id = 'p33'",
        "every member is of high potential": "update marts.customer_lifecycle "
        "set segment = null where profile_id = 'p33'",
    },
    "audiences/one_timers": {
        "every member is a one-timer": "update marts.customer_lifecycle set segment = null "
        "where profile_id = 'p13'",
        "every member bought on one day": "update marts.churn_factors set purchase_days = 2 "
        "where profile_id = 'p13'",
    },
}
_KEYS = {"raw/erp_customers": "customer_id", "raw/pos_members": "loyalty_id"}


def defect(asset: str, check: str) -> str | None:
    """Return the SQL that breaks `check` of `asset`, None when nobody planted a defect for it."""
    own = DEFECTS.get(asset, {}).get(bare(check))
    found = own or next(
        (sql for words, sql in ANYWHERE.items() if bare(check).endswith(words)), None
    )
    column = check.split()[0].replace("+", "")
    return found and found.format(
        table=asset.replace("/", "."), column=column, key=_KEYS.get(asset, "")
    )


def bare(check: str) -> str:
    """Return the name of a check without the share that it tolerates."""
    return check.split(", but for ")[0]
