"""A person's identifiers drawn: well-formed, the same every time, and without a value."""

import random
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest

from dagster_project.publishing.picture import MOST_NODES, draw_person
from dagster_project.publishing.tree import Row

SVG = "{http://www.w3.org/2000/svg}"
AT = datetime(2025, 3, 2, tzinfo=UTC)


def row(kind: str, value: str, nearer: tuple[str, str] | None = None, **more: object) -> Row:
    return {
        "identifier_type": kind,
        "identifier_value": value,
        "source": "web",
        "record_count": 1200,
        "joined_to_type": nearer and nearer[0],
        "joined_to_value": nearer and nearer[1],
        "joined_by": "same_record" if nearer else None,
        "joined_via": "pos" if nearer else None,
        "joined_at": AT if nearer else None,
        "joined_score": 1.0 if nearer else None,
        "steps_to_anchor": int(nearer is not None),
        "is_demoted": False,
    } | more


def link(one: Row, other: Row, **more: object) -> Row:
    return {
        "from_type": one["identifier_type"],
        "from_value": one["identifier_value"],
        "to_type": other["identifier_type"],
        "to_value": other["identifier_value"],
        "rule": "same_record",
        "source": "erp",
        "first_seen_at": AT,
    } | more


CARD = row("loyalty_id", "SECRET-4012")
MAIL = row("email", "secret@example.com", ("loyalty_id", "SECRET-4012"))
OTHER_MAIL = row("email", "secret2@example.com", ("loyalty_id", "SECRET-4012"))
CUSTOMER = row(
    "erp_customer_id",
    "SECRET-C1",
    ("email", "secret@example.com"),
    joined_by="alike",
    joined_score=0.9996,
    steps_to_anchor=2,
)
TABLET = row(
    "device_id",
    "SECRET-tablet",
    is_demoted=True,
    steps_to_anchor=None,
    person_count=30,
    person_limit=5,
)
PERSON = [CARD, MAIL, OTHER_MAIL, CUSTOMER, TABLET]
STRANGER = row("phone", "+40SECRET")


def shapes(svg: str, name: str) -> list[ET.Element]:
    return list(ET.fromstring(svg).iter(f"{SVG}{name}"))  # noqa: S314 - it was drawn here


def words(svg: str) -> list[str]:
    return [text.text or "" for text in shapes(svg, "text")]


def drawn() -> str:
    return draw_person(
        PERSON,
        [link(CARD, MAIL), link(MAIL, OTHER_MAIL)],
        [link(CUSTOMER, STRANGER)],
        [link(STRANGER, CARD, probability=0.71, reason="not sure enough")],
    )


def test_it_names_kinds_rules_dates_and_numbers_and_no_value() -> None:
    found = words(drawn())
    assert {"loyalty card 1", "e-mail 1", "e-mail 2", "ERP customer 1", "device 1"} <= set(found)
    assert {"pos · 2025-03-02", "web · 1,200 records", "30 found, 5 at most"} <= set(found)
    assert {"another person", "cut: same record", "alike 71.0%", "not sure enough"} <= set(found)
    assert "secret" not in drawn().lower()


def test_a_likeness_is_dashed_and_never_certain_and_what_was_cut_is_red_and_dotted() -> None:
    assert "alike 99.9%" in words(drawn())
    paths = shapes(drawn(), "path")
    assert [path.get("stroke-dasharray") for path in paths].count("8 5") == 1
    assert [p.get("stroke-dasharray") for p in paths if p.get("stroke") == "#dc2626"] == ["2 5"]


def test_each_tied_identifier_hangs_on_one_line_and_other_links_are_drawn_once() -> None:
    assert len(shapes(draw_person(PERSON, [link(CARD, MAIL)]), "path")) == 3
    links = [link(MAIL, OTHER_MAIL), link(OTHER_MAIL, MAIL), link(MAIL, STRANGER)]
    assert len(shapes(draw_person(PERSON, links), "path")) == 4


def test_the_order_of_rows_changes_no_byte() -> None:
    shuffled = random.Random(1).sample(PERSON, len(PERSON))
    links = [link(CARD, MAIL), link(MAIL, OTHER_MAIL), link(CARD, CUSTOMER)]
    assert draw_person(shuffled, links[::-1]) == draw_person(PERSON, links)


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", "a & b", '"', "\x00\x1b[31m", "]]>"]
)
def test_hostile_words_stay_words(hostile: str) -> None:
    svg = draw_person(
        [
            CARD,
            row(hostile, hostile, ("loyalty_id", "SECRET-4012"), joined_by=hostile, source=hostile),
        ]
    )
    shown = "".join(letter for letter in hostile if letter.isprintable())
    assert any(shown in word for word in words(svg))
    assert shapes(svg, "script") == []


def test_a_crowd_is_drawn_in_part_and_says_how_many_are_left_out() -> None:
    crowd = [CARD] + [row("email", f"e{n}", ("loyalty_id", "SECRET-4012")) for n in range(100)]
    svg = draw_person(crowd, cut_links=[link(CARD, row("phone", f"+{n}")) for n in range(100)])
    boxes = sum(box.get("rx") is not None for box in shapes(svg, "rect"))
    assert MOST_NODES <= boxes <= MOST_NODES + 10
    assert any(f"{101 - MOST_NODES} more aren't" in word for word in words(svg))


def test_a_person_of_one_identifier_and_of_none_are_drawn_too() -> None:
    assert "loyalty card 1" in words(draw_person([CARD]))
    assert len(shapes(draw_person([]), "svg")) == 1
