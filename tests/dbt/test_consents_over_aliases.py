"""One refusal by any alias of a person beats every grant, however identity joined the aliases."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from core_world import AS_OF, LOADED_AT, Row, build_all
from marts_world import rows

from dagster_project.database import connect
from dagster_project.identity import resolve

LAYERS = (
    "fqn:perennial.intermediate.consents fqn:perennial.intermediate.events "
    "path:seeds/intermediate fqn:perennial.marts.customers.customer_consents",
)
BEFORE, AFTER = AS_OF - timedelta(days=60), AS_OF - timedelta(days=10)
BORN = date(1971, 3, 9)
HOME = {"street_address": "Rua das Flores 12", "city": "Lisboa", "postal_code": "1000-001"}


def landed(table: str, number: int, **row: Any) -> Row:
    """One raw row."""
    return {
        "_line": number,
        "_landed_file": f"{table}.csv",
        "_loaded_at": LOADED_AT,
        "_is_deleted": False,
    } | row


def member(card: str, *, email_marketing: bool = True, at: datetime = AFTER, **row: Any) -> Row:
    """A member who said yes to e-mail, later than anybody else says anything."""
    return landed(
        "pos_members",
        1,
        loyalty_id=card,
        email_marketing=email_marketing,
        enrolled_at=at,
        updated_at=at,
        **row,
    )


def refusal(source: str, number: int, **row: Any) -> Row:
    """An e-mail's unsubscribe link, followed early."""
    return landed(
        f"{source}_events",
        number,
        type="track",
        event="Unsubscribed",
        messageId=f"refusal {number}",
        timestamp=BEFORE,
        **row,
    )


def identify(number: int, **row: Any) -> Row:
    return landed(
        "web_events", number, type="identify", messageId=f"m{number}", timestamp=AFTER, **row
    )


RAW = {
    "pos_members": [
        member("likeness", given_name="Anacleta", family_name="Vasconcelos", tax_id="T77",
               birth_date=BORN, **HOME),
        member("steward"),
        member("browser"),
        member("address", email="address@x.ro"),
        member("app"),
        member("willing", email="willing@x.ro"),
        # a couple with one address for both
        member("ana", email="we@x.ro", given_name="Ana", family_name="Pop"),
        member("ion", email="we@x.ro", given_name="Ion", family_name="Pop"),
        # another one, of whom one refused when signed in
        member("eva", email="us@x.ro", given_name="Eva", family_name="Ene"),
        member("dan", email="us@x.ro", given_name="Dan", family_name="Ene"),
    ],
    "erp_customers": [
        landed("erp_customers", 1, customer_id="C1", given_name="Anacleta",
               family_name="Vasconcelos", birth_date=BORN, tax_id="T78",
               email_marketing=False, created_at=BEFORE, updated_at=BEFORE, **HOME),
        landed("erp_customers", 2, customer_id="C2", email_marketing=False, created_at=BEFORE,
               updated_at=BEFORE),
    ],
    "web_events": [
        refusal("web", 1, anonymousId="b1"),
        identify(2, anonymousId="b1", userId="u1", traits='{"loyalty_id": "browser"}'),
        refusal("web", 3, properties='{"email": "address@x.ro"}'),
        refusal("web", 4, properties='{"email": "WE@x.ro"}'),
        identify(5, userId="u5", traits='{"loyalty_id": "eva"}'),
        refusal("web", 6, userId="u5", properties='{"email": "us@x.ro"}'),
    ],
    "app_events": [
        refusal("app", 7, anonymousId="a7", userId="u7", context='{"device": {"id": "d7"}}'),
        identify(8, userId="u7", traits='{"loyalty_id": "app"}') | {"_landed_file": "app.csv"},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse in which identity is real."""
    folder = tmp_path_factory.mktemp("consents")
    overrides = folder / "overrides.csv"
    overrides.write_text(
        "kind,from_type,from_value,to_type,to_value\n"
        "must_link,loyalty_id,steward,erp_customer_id,C2\n"
    )

    def join(path: Path) -> None:
        with connect(path) as connection:
            resolve(
                connection,
                as_of=AS_OF,
                default_country="RO",
                salt="s",
                previous=None,
                overrides=overrides,
            )

    return build_all(folder / "warehouse.duckdb", RAW, layers=LAYERS, tested=False, identify=join)


@pytest.fixture(scope="module")
def said(warehouse: Path) -> dict[str, str]:
    """What each card's person says to marketing by e-mail."""
    return dict(
        rows(
            warehouse,
            "select identifier_value, state from marts.customer_consents "
            "join identity.identifiers using (profile_id) where identifier_type = 'loyalty_id' "
            "and channel = 'email' and purpose = 'marketing'",
        )
    )


def test_likeness_and_a_steward_join_what_no_record_does(warehouse: Path) -> None:
    query = "select rule, from_value, to_value from identity.links where from_type <> to_type"
    found = {rule: {one, other} for rule, one, other in rows(warehouse, query)}
    assert found["alike"] == {"likeness", "C1"}
    assert found["must_link"] == {"steward", "C2"}


def test_a_person_without_a_refusal_is_willing(said: dict[str, str]) -> None:
    assert said["willing"] == "granted"


@pytest.mark.parametrize("card", ["likeness", "steward", "browser", "address", "app"])
def test_an_old_refusal_of_any_alias_beats_the_cards_new_yes(
    said: dict[str, str], card: str
) -> None:
    """By likeness, a steward's word, a browser before signing in, an e-mail alone, the app."""
    assert said[card] == "denied"


def test_a_refusal_from_a_shared_address_is_that_of_each_who_uses_it(said: dict[str, str]) -> None:
    assert (said["ana"], said["ion"]) == ("denied", "denied")


def test_who_refused_signed_in_refused_for_themselves(said: dict[str, str]) -> None:
    assert (said["eva"], said["dan"]) == ("denied", "granted")
