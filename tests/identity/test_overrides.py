"""What a steward decides holds against everything else, and taking it back leaves no trace."""

from pathlib import Path

import pytest
from identity_world import World, customer, member, named, resolved, signal

from dagster_project.errors import PerennialError

HEADER = "kind,from_type,from_value,to_type,to_value,note\n"
FAMILY = {"email": "familia@example.com", **named("Ana", "Popescu", "1990-02-03")}
RECORDS = [
    customer("erp", "C1", 1, **FAMILY),
    member("pos", "L1", 2, **FAMILY),
    signal("web", "web", 3, user_id="u1", anonymous_id="a1", **FAMILY),
    member("stranger", "L9", 4, **named("Ion", "Ionescu", "1950-05-05"), phone="+40721000111"),
]


def overridden(path: Path, *rows: str, previous: Path | None = None) -> World:
    path.write_text(HEADER + "".join(f"{row}\n" for row in rows))
    return resolved(RECORDS, overrides=path, previous=previous)


@pytest.fixture
def overrides(tmp_path: Path) -> Path:
    return tmp_path / "overrides.csv"


def test_what_is_never_one_is_two_whatever_ties_it(overrides: Path) -> None:
    assert resolved(RECORDS).same("erp", "pos", "web")
    world = overridden(overrides, "cannot_link,erp_customer_id,C1,loyalty_id,L1,two sisters")
    assert world.different("erp", "pos")
    assert world.people["web"] in (world.people["erp"], world.people["pos"])


def test_what_is_one_is_one_though_the_records_contradict_each_other(overrides: Path) -> None:
    world = overridden(overrides, "must_link,loyalty_id,L9,erp_customer_id,C1,")
    assert world.same("erp", "stranger", "pos", "web")
    assert ("must_link", "steward") in world.rows("select rule, source from identity.links")


def test_values_may_be_as_a_source_wrote_them(overrides: Path) -> None:
    world = overridden(overrides, "must_link,email,familia@example.com,phone,+40721000111,")
    assert world.same("erp", "stranger")


def test_a_merge_that_is_taken_back_gives_each_person_back(overrides: Path, tmp_path: Path) -> None:
    before = resolved(RECORDS)
    merged = overridden(overrides, "must_link,loyalty_id,L9,erp_customer_id,C1,")
    undone = overridden(overrides, previous=merged.publish(tmp_path / "published.duckdb"))
    assert undone.people == before.people
    for table in ("resolved", "profiles", "identifiers", "links", "demoted"):
        question = f"from identity.{table} order by all"
        assert undone.rows(question) == before.rows(question)
    ((kind, former, present),) = undone.rows(
        "select kind, from_profile_id, to_profile_id from identity.history"
    )
    assert (kind, former, present) == ("split", before.people["erp"], before.people["stranger"])


def test_a_decision_holds_for_likeness_too(overrides: Path) -> None:
    home = {"street_address": "Strada Lungă 12", "postal_code": "500001", "phone": "+40721000222"}
    twins = [customer("one", "C1", **FAMILY | home), member("other", "L1", **FAMILY | home)]
    overrides.write_text(f"{HEADER}cannot_link,erp_customer_id,C1,loyalty_id,L1,\n")
    assert resolved(twins, overrides=overrides).different("one", "other")


def test_no_order_of_rows_changes_a_decision(overrides: Path) -> None:
    overrides.write_text(f"{HEADER}cannot_link,erp_customer_id,C1,loyalty_id,L1,\n")
    found = [resolved(RECORDS, overrides=overrides, shuffled=seed).people for seed in (1, 2, 3)]
    assert found[0] == found[1] == found[2]


def test_an_identifier_that_nobody_has_is_counted(overrides: Path) -> None:
    world = overridden(overrides, "must_link,loyalty_id,L1,email,nobody@example.com,")
    assert world.report.unknown_overrides == (2,)
    assert overridden(overrides).report.unknown_overrides == ()


def test_a_row_that_cannot_be_followed_is_named(
    overrides: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What the records tie to the one is kept apart from the other."""
    overrides.write_text(
        f"{HEADER}cannot_link,erp_customer_id,C1,loyalty_id,L1,\n"
        "must_link,erp_customer_id,C1,erp_customer_id,C2,\n"
    )
    records = [customer("one", "C1"), customer("other", "C2", loyalty_id="L1")]
    world = resolved(records, overrides=overrides)
    assert world.different("one", "other")
    assert world.report.unmet_overrides == (3,)
    assert "1 overrides aren't followed" in caplog.text
    assert "line 3" in caplog.text
    assert "C1" not in caplog.text


def test_no_file_is_no_decision(tmp_path: Path) -> None:
    world = resolved(RECORDS, overrides=tmp_path / "overrides.csv")
    assert world.people == resolved(RECORDS).people


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "lacks the column kind"),
        ("kind,from_type,from_value,to_type\n", "lacks the column to_value"),
        (f"{HEADER}merge,email,a@b.ro,email,c@b.ro,\n", "line 2: kind is neither"),
        (f"{HEADER}must_link,mail,a@b.ro,email,c@b.ro,\n", "line 2: a type is none of"),
        (f"{HEADER}must_link,email,a@b.ro\n", "line 2: a type or a value is missing"),
        (f"{HEADER}must_link,email,a@b.ro,email,a@b.ro,\n", "line 2: an identifier is tied to it"),
        (
            f"{HEADER}must_link,loyalty_id,L1,loyalty_id,L9,\n"
            "must_link,loyalty_id,L9,erp_customer_id,C1,\n"
            "cannot_link,erp_customer_id,C1,loyalty_id,L1,\n",
            "line 4 keeps two identifiers apart that must_link rows make one",
        ),
        (b"\xff\xfe\x00", "can't be read as a CSV in UTF-8"),
    ],
)
def test_overrides_that_cannot_be_applied_are_one_clear_error_without_a_value(
    overrides: Path, content: str | bytes, said: str
) -> None:
    overrides.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(PerennialError) as error:
        resolved(RECORDS, overrides=overrides)
    assert said in str(error.value)
    assert "a@b.ro" not in str(error.value)
