"""One spelling for each identifier."""

import random
from dataclasses import replace

import duckdb
import phonenumbers
import pyarrow as pa
from email_validator import validate_email
from hypothesis import given, settings
from hypothesis import strategies as st
from identity_world import resolved, signal

from dagster_project.identity import load_rules
from dagster_project.identity.emails import normalise_emails
from dagster_project.identity.phones import normalise_phones


def phones_of(rows: list[tuple[str, str | None]]) -> dict[tuple[str, str | None], str | None]:
    connection = duckdb.connect()
    table = pa.table(
        {
            "raw_value": pa.array([raw for raw, _ in rows], type=pa.string()),
            "country": pa.array([country for _, country in rows], type=pa.string()),
        }
    )
    connection.register("written", table)
    connection.execute("create table written_phones as select distinct * from written")
    normalise_phones(connection, values="written_phones", default_country="RO", into="spelled")
    found = connection.execute("select raw_value, country, spelling from spelled").fetchall()
    return {(raw, country): spelling for raw, country, spelling in found}


def library_says(raw: str, country: str | None) -> str | None:
    try:
        number = phonenumbers.parse(raw, country or "RO")
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def written_somehow(dice: random.Random, country: str) -> str:
    kind = dice.randrange(11)
    number = phonenumbers.example_number_for_type(country, kind) or phonenumbers.example_number(
        country
    )
    text = list(phonenumbers.format_number(number, dice.choice([0, 1, 2])))
    for _ in range(dice.choice([0, 0, 1, 2, 4])):
        place = dice.choice([place for place, character in enumerate(text) if character.isdigit()])
        text[place] = str(dice.randrange(10))
    prefix = dice.choice(["", "", "", "+", "00", "0", " ", "(0)"])
    return (
        prefix + "".join(text).lstrip("+" if prefix else "") + dice.choice(["", "", "", "1", " "])
    )


PHONES = {
    ("0721 234 567", "RO"): "+40721234567",
    ("0721.234.567", None): "+40721234567",
    ("+40 721 234 567", "PT"): "+40721234567",
    ("0040721234567", "RO"): "+40721234567",
    ("(021) 312-34-56", "RO"): "+40213123456",
    ("+40 (0) 721 234 567", "RO"): "+40721234567",
    ("912 345 678", "PT"): "+351912345678",
    ("912 345 678", "pt"): "+351912345678",
    ("601 234 567", "PL"): "+48601234567",
    ("07400 123456", "GB"): "+447400123456",
    ("+39 06 1234 5678", "IT"): "+390612345678",
    ("(201) 555-0123", "US"): "+12015550123",
    ("0721 234 567", "nowhere"): "+40721234567",
    ("٠٧٢١٢٣٤٥٦٧", "RO"): "+40721234567",
    ("0721 234", "RO"): None,
    ("not a phone", "RO"): None,
    ("1" * 90, "RO"): None,
}


def test_a_phone_has_one_spelling_in_any_notation() -> None:
    assert phones_of(list(PHONES)) == PHONES


def test_sql_says_of_every_phone_what_the_library_says() -> None:
    dice = random.Random(20260301)
    countries = sorted(phonenumbers.SUPPORTED_REGIONS)
    rows = [(written_somehow(dice, country), country) for country in countries for _ in range(6)]
    found = phones_of(rows)
    assert found == {row: library_says(*row) for row in found}
    assert sum(spelling is not None for spelling in found.values()) > len(found) / 4


MAILBOXES = {
    "Ana.Pop@Example.COM": "ana.pop@example.com",
    "A.n.a.Pop+offers@Gmail.com": "anapop@gmail.com",
    "anapop@googlemail.com": "anapop@gmail.com",
    "ana.pop+offers@outlook.com": "ana.pop@outlook.com",
    "ana.pop+offers@example.com": "ana.pop+offers@example.com",
    "  ana@example.com\u00a0": "ana@example.com",
    "Ștefan@exemplu.ro": "ștefan@exemplu.ro",
    "ana@münchen.de": "ana@münchen.de",
    "ana@xn--mnchen-3ya.de": "ana@münchen.de",
    "+tag@gmail.com": None,
    "ana@": None,
    "ana@example": None,
    "ana@@example.com": None,
    "Ana <ana@example.com>": None,
    "no-reply@example.com": None,
    "a" * 250 + "@example.com": None,
    "ana@" + "a" * 64 + ".com": None,
}


def test_an_email_has_one_spelling_for_each_mailbox() -> None:
    world = resolved([signal(f"s{n}", "web", email=raw) for n, raw in enumerate(MAILBOXES)])
    assert world.normalised("email") == MAILBOXES


@settings(max_examples=8, deadline=None)
@given(
    st.lists(
        st.text(st.sampled_from("aZ09.-_+'@ șé!#\"xn-"), max_size=9).flatmap(
            lambda local: st.sampled_from(
                ["@a.com", "@a-b.ro", "@-a.ro", "@a.c", "@x.test", "@é.ro"]
            ).map(lambda domain: local + domain)
        ),
        min_size=200,
        max_size=200,
    )
)
def test_sql_says_of_every_email_what_the_library_says(raws: list[str]) -> None:
    connection = duckdb.connect()
    connection.register("written", pa.table({"raw_value": sorted(set(raws))}))
    normalise_emails(connection, values="written", providers=(), into="spelled")

    def mailbox(raw: str) -> str | None:
        try:
            return validate_email(raw, check_deliverability=False).normalized.lower()
        except ValueError:
            return None

    found = dict(connection.execute("select raw_value, spelling from spelled").fetchall())
    assert found == {raw: mailbox(raw) for raw in found}


def test_the_shops_own_domain_is_nobodys_email() -> None:
    rules = replace(load_rules(), own_domains=("shop.example",))
    world = resolved(
        [
            signal("own", "web", email="Counter3@Shop.example"),
            signal("like it", "web", email="ana@myshop.example"),
        ],
        rules=rules,
    )
    assert world.people["own"] is None
    assert world.people["like it"] is not None


def test_ids_are_trimmed_and_composed_and_keep_their_case() -> None:
    world = resolved(
        [
            signal("plain", "pos", loyalty_id="Łé-1"),
            signal("spaced", "pos", loyalty_id="\u2003Łe\u0301-1 "),
            signal("other case", "pos", loyalty_id="łé-1"),
        ]
    )
    assert world.same("plain", "spaced")
    assert world.different("plain", "other case")


HOSTILE = [
    "'; drop table identity.resolved; --",
    '"',
    "\\",
    "%",
    "a\x00b",
    "\x00",
    "\x1f",
    "\u202e",
    "\u200b",
    "🧾" * 80,
    "x" * 100_000,
    "(" * 200,
    "$1",
    "{}",
]


def test_hostile_values_break_nothing_and_join_nobody_else() -> None:
    types = (
        "user_id",
        "anonymous_id",
        "device_id",
        "loyalty_id",
        "email",
        "phone",
        "tax_id",
        "payment_card",
        "erp_customer_id",
    )
    world = resolved(
        [
            signal(f"{kind} {number}", "web", given_name=value, **{kind: value})
            for kind in types
            for number, value in enumerate(HOSTILE)
        ]
    )
    persons = [person for person in world.people.values() if person is not None]
    assert len(set(persons)) == len(persons) > len(types)
    assert len(world.people) == len(types) * len(HOSTILE)
    assert max(len(v) for v in world.normalised("user_id").values() if v) <= 255
