"""What happens in a sample world, so that each audience and each mart has somebody to speak of."""

from collections.abc import Callable

import pytest
from sample_worlds import AS_OF

Ask = Callable[[str], object]
AS_OF_SQL = f"timestamptz '{AS_OF.isoformat()}'"


@pytest.mark.parametrize(
    ("situation", "query"),
    [
        (
            "web and app orders",
            "select count(distinct channel) = 2 from orders where channel in ('web', 'app')",
        ),
        ("phone orders", "select count(*) > 0 from orders where channel = 'phone'"),
        ("cancelled orders", "select count(*) > 0 from orders where status = 'cancelled'"),
        (
            "orders the ERP hasn't got yet",
            """select count(*) > 0 from events where event = 'Order Completed'
            and not exists (from orders where web_order_id = (properties ->> 'order_id'))""",
        ),
        (
            "deliveries under way",
            "select count(*) > 0 from orders "
            f"where promised_at::timestamptz > {AS_OF_SQL} and delivered_at is null",
        ),
        ("closed tickets", "select count(closed_at) > 0 from tickets"),
        ("real coupons", "select count(*) > 0 from receipt_lines where promo_code like 'C%-%'"),
        (
            "times with an offset",
            "select count(*) > 0 from receipt_lines where length(sold_at) = 25",
        ),
        ("times without one", "select count(*) > 0 from receipt_lines where length(sold_at) = 19"),
        ("wrong clocks", "select count(*) > 0 from events where timestamp is null"),
        ("withdrawn consents", "select count(*) > 0 from events where event = 'Unsubscribed'"),
        ("e-mails read", "select count(*) > 0 from events where event = 'Email Opened'"),
        (
            "push messages tapped",
            "select count(*) > 0 from events where event = 'Push Notification Tapped'",
        ),
        ("aliases", "select count(previousId) > 0 from events where type = 'alias'"),
        (
            "guests",
            """select count(*) > 0 from events
            where event = 'Order Completed' and userId is null and told_email is not null""",
        ),
        (
            "subscribers who never bought",
            """select count(*) > 5 from truth_people as p
            where kind = 'subscriber' and not exists (
                from truth_records as r
                where r.person_id = p.person_id and r."table" in ('receipt_lines', 'orders')
            )""",
        ),
        (
            "visits of the last day by those who seem lost",
            f"""select count(*) > 0 from events
            inner join truth_records on messageId = record_key
            inner join truth_people using (person_id)
            where seems_lost and happened_at > {AS_OF_SQL} - interval 1 day""",
        ),
        (
            "carts abandoned between an hour and three days ago",
            f"""select count(distinct anonymousId) > 0 from events where event = 'Cart Viewed'
            and happened_at between {AS_OF_SQL} - interval 3 day
            and {AS_OF_SQL} - interval 1 hour""",
        ),
        (
            "carts that are still active",
            f"""select count(*) > 0 from events where event = 'Product Added'
            and happened_at > {AS_OF_SQL} - interval 1 hour""",
        ),
    ],
)
def test_the_world_has_every_situation(one: Ask, situation: str, query: str) -> None:
    assert one(query), situation


def test_between_an_eighth_and_a_quarter_of_the_baskets_are_bought_online(one: Ask) -> None:
    share = one("""
        select (select count(distinct order_id) from orders where channel in ('web', 'app'))
            / (select count(distinct receipt_id) from receipt_lines where receipt_id[1] = 'R')
    """)

    assert 0.125 < share < 0.3
