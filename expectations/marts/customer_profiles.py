"""Gate of the profiles: no audience is built on doubled people, or on crowds merged into one."""

from expectations.rules import has_rows, never_null, no_rows, one_of, query, unique

EXPECTATIONS = [
    has_rows(),
    never_null("profile_id"),
    unique("profile_id"),
    one_of("cart_state", ["none", "active", "abandoned"]),
    never_null("cart_state"),
    query(
        "order_count is that of marts.customer_orders",
        "select 1 as unexpected from {batch} as judged left join ("
        "select profile_id, count(*) as order_count from marts.customer_orders "
        "where profile_id is not null group by profile_id) as counted using (profile_id) "
        "where coalesce(judged.order_count, 0) <> coalesce(counted.order_count, 0)",
    ),
    no_rows(
        "online and store orders are no more than all orders",
        "online_order_count + store_order_count > order_count",
    ),
    no_rows("first_seen_at isn't after last_seen_at", "first_seen_at > last_seen_at"),
    no_rows("first_order_at isn't after last_order_at", "first_order_at > last_order_at"),
    no_rows("nothing is seen after as_of", "last_seen_at > {as_of} or last_order_at > {as_of}"),
    # A shared tablet or a till's default customer once merged hundreds of people into one.
    no_rows("no profile holds more than 1000 identifiers", "identifier_count > 1000"),
    query(
        "all amounts are in one currency",
        "select 1 as unexpected from {batch} having count(distinct currency) > 1",
    ),
    no_rows("preferred_hour is an hour", "preferred_hour not between 0 and 23"),
    no_rows("cart_value isn't negative", "cart_value < 0", severity="warning"),
]
