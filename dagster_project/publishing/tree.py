"""The identifiers of one person as people read them: a tree from the anchor, in plain words.

A row is one of marts.customer_identifiers. Only rows of one person come here, never a table.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
Identifier = tuple[str, str]

KINDS = {
    "erp_customer_id": "ERP customer",
    "loyalty_id": "loyalty card",
    "user_id": "account",
    "tax_id": "tax number",
    "email": "e-mail",
    "phone": "phone",
    "payment_card": "payment card",
    "anonymous_id": "browser",
    "device_id": "device",
}
RULES = {
    "same_record": "same record",
    "web_user_id": "account noted in ERP",
    "loyalty_id": "card noted in ERP",
    "web_order_id": "order in ERP",
    "alias": "alias",
    "passed_on": "passed on since",
    "alike": "alike",
    "must_link": "a steward's word",
}


def kind(identifier_type: str) -> str:
    """A type of identifiers in plain words."""
    return KINDS.get(identifier_type, identifier_type)


def rule(name: str) -> str:
    """A rule in plain words."""
    return RULES.get(name, name)


def named(row: Row) -> Identifier:
    """The identifier of a row."""
    return row["identifier_type"], row["identifier_value"]


def link_ends(link: Row) -> tuple[Identifier, Identifier]:
    """The two identifiers of a link, as it is told."""
    return (link["from_type"], link["from_value"]), (link["to_type"], link["to_value"])


def joined_to(row: Row) -> Identifier | None:
    """The identifier that ties a row's to the person; None of the anchor and of what is demoted."""
    found = row.get("joined_to_type"), row.get("joined_to_value")
    return None if None in found else found  # type: ignore[return-value]


def in_tree_order(rows: Sequence[Row]) -> list[Row]:
    """The anchor, then what is tied to it, each followed by what is tied to that, the oldest first.

    What no link ties (it is demoted, or the build is older than the ties) comes last.
    """
    tied: dict[Identifier | None, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=_age, reverse=True):
        tied[joined_to(row)].append(row)
    ordered: list[Row] = []
    waiting = sorted(tied[None], key=lambda row: row.get("steps_to_anchor") == 0)
    while waiting:
        ordered.append(waiting.pop())
        waiting += tied[named(ordered[-1])]
    return ordered


def _age(row: Row) -> tuple[bool, Any, Identifier]:
    since = row.get("joined_at") or row.get("first_seen_at")
    return since is None, since or "", named(row)


def labels(rows: Sequence[Row]) -> dict[Identifier, str]:
    """A name for each identifier that tells its kind and nothing of its value: e-mail 2."""
    counts: Counter[str] = Counter()
    found = {}
    for row in in_tree_order(rows):
        counts[row["identifier_type"]] += 1
        number = counts[row["identifier_type"]]
        found[named(row)] = f"{kind(row['identifier_type'])} {number}"
    return found
