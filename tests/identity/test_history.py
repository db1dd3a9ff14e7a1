"""Every merge and split is told, once, and a former id leads to the present person."""

from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from identity_world import AS_OF, customer, member, named, resolved, signal

from dagster_project.errors import PerennialError

TOMORROW = AS_OF + timedelta(days=1)
HISTORY = "select kind, from_profile_id, to_profile_id, reason from identity.history order by all"


def test_the_first_build_has_no_history(tmp_path: Path) -> None:
    world = resolved([signal("s", "web", user_id="U1")], previous=tmp_path / "published.duckdb")
    assert world.rows(HISTORY) == []


def test_a_merge_is_told_with_the_older_id_surviving_and_its_reason(tmp_path: Path) -> None:
    apart = [
        signal("web", "web", day=1, user_id="U1", email="a@example.com"),
        customer("erp", "C1", day=2),
    ]
    before = resolved(apart)
    published = before.publish(tmp_path / "published.duckdb")
    noted = customer("email noted", "C1", day=9, email="a@example.com")
    after = resolved([*apart, noted], previous=published, as_of=TOMORROW)
    former, present = before.people["erp"], before.people["web"]
    assert after.rows(HISTORY) == [("merge", former, present, "joined by email")]
    assert after.rows("select happened_at from identity.history") == [(TOMORROW,)]
    assert after.rows("select former_profile_id, profile_id from identity.redirects") == [
        (former, present)
    ]
    assert (after.report.merges, after.report.splits) == (1, 0)


def test_nothing_is_told_twice(tmp_path: Path) -> None:
    apart = [signal("web", "web", day=1, user_id="U1"), customer("erp", "C1", day=2)]
    published = resolved(apart).publish(tmp_path / "published.duckdb")
    joined = [*apart, customer("noted", "C1", day=9, user_id="U1")]
    after = resolved(joined, previous=published, as_of=TOMORROW)
    again = resolved(joined, previous=published, as_of=TOMORROW)
    assert again.rows(HISTORY) == after.rows(HISTORY)
    after.publish(published)
    next_day = resolved(joined, previous=published, as_of=TOMORROW + timedelta(days=1))
    assert next_day.rows("from identity.history") == after.rows("from identity.history")
    assert next_day.report.merges == 0


def test_a_split_is_told_when_what_joined_two_persons_is_demoted(tmp_path: Path) -> None:
    ana = customer("ana", "C1", day=1, email="f@example.com", **named("Ana", "Pop"))
    account = signal("account", "web", day=2, user_id="U1", email="f@example.com")
    before = resolved([ana, account])
    assert before.same("ana", "account")
    published = before.publish(tmp_path / "published.duckdb")
    ion = customer("ion", "C2", day=50, email="f@example.com", **named("Ion", "Pop"))
    after = resolved([ana, account, ion], previous=published, as_of=TOMORROW)
    assert after.different("ana", "account", "ion")
    assert after.people["ana"] == before.people["ana"]
    assert after.rows(HISTORY) == [
        ("split", before.people["ana"], after.people["account"], "demoted: email")
    ]
    assert after.rows("from identity.redirects") == []
    assert after.report.splits == 1


def test_an_older_identifier_that_comes_late_leads_the_former_id_to_the_new(
    tmp_path: Path,
) -> None:
    login = signal("login", "web", day=5, anonymous_id="b", user_id="U1")
    before = resolved([login])
    published = before.publish(tmp_path / "published.duckdb")
    late = signal("late", "web", day=1, anonymous_id="b")
    after = resolved([login, late], previous=published, as_of=TOMORROW)
    former, present = before.people["login"], after.people["login"]
    assert former != present
    told = ("merge", former, present, "an older identifier came to light")
    assert after.rows(HISTORY) == [told]
    assert after.rows("select former_profile_id, profile_id from identity.redirects") == [
        (former, present)
    ]


def test_a_person_who_falls_apart_leads_to_where_most_of_it_went(tmp_path: Path) -> None:
    signals = [
        signal("visit", "web", day=0, anonymous_id="tablet"),
        signal("login", "web", day=1, anonymous_id="tablet", user_id="U1"),
        signal("app", "app", day=2, user_id="U1", device_id="d"),
        signal("mail", "web", day=3, user_id="U1", email="f@example.com"),
        member("card", "L1", day=4, email="f@example.com", **named("Ana", "Pop")),
    ]
    before = resolved(signals)
    published = before.publish(tmp_path / "published.duckdb")
    signals.append(customer("ion", "C2", day=9, email="f@example.com", **named("Ion", "Pop")))
    signals += [
        signal(f"other {n}", "web", day=9, anonymous_id="tablet", user_id=f"U{n}")
        for n in range(10, 19)
    ]
    after = resolved(signals, previous=published, as_of=TOMORROW)
    (former,) = set(before.people.values())
    account, card = after.people["app"], after.people["card"]
    assert after.rows(HISTORY) == [
        ("merge", former, account, "demoted: anonymous_id, email"),
        ("split", former, card, "demoted: anonymous_id, email"),
    ]
    assert after.rows("select former_profile_id, profile_id from identity.redirects") == [
        (former, account)
    ]


def test_what_many_people_share_is_no_sign_that_one_of_them_moved(tmp_path: Path) -> None:
    ana = customer("ana", "C1", day=1, email="f@example.com", **named("Ana", "Pop"))
    ion = customer("ion", "C2", day=2, email="f@example.com", **named("Ion", "Pop"))
    published = resolved([ana, ion]).publish(tmp_path / "published.duckdb")
    moved_out = customer("ion", "C2", day=2, **named("Ion", "Pop"))
    after = resolved([ana, moved_out], previous=published, as_of=TOMORROW)
    assert after.rows(HISTORY) == []


def test_a_former_id_leads_through_several_merges_to_the_present_person(tmp_path: Path) -> None:
    published = tmp_path / "published.duckdb"
    three = [
        signal("one", "web", day=1, user_id="U1"),
        signal("two", "web", day=2, user_id="U2"),
        signal("three", "web", day=3, user_id="U3"),
    ]
    first = resolved(three)
    first.publish(published)
    three.append(signal("2=3", "web", day=4, user_id="U2", previous_id="U3"))
    resolved(three, previous=published, as_of=TOMORROW).publish(published)
    three.append(signal("1=2", "web", day=5, user_id="U1", previous_id="U2"))
    last = resolved(three, previous=published, as_of=TOMORROW + timedelta(days=1))
    assert set(last.rows("select former_profile_id, profile_id from identity.redirects")) == {
        (first.people["two"], first.people["one"]),
        (first.people["three"], first.people["one"]),
    }
    assert len(last.rows(HISTORY)) == 2


def test_an_undone_merge_leads_nowhere_else_any_more(tmp_path: Path) -> None:
    published = tmp_path / "published.duckdb"
    apart = [signal("one", "web", day=1, user_id="U1"), signal("two", "web", day=2, user_id="U2")]
    first = resolved(apart)
    first.publish(published)
    joined = [*apart, signal("alias", "web", day=3, user_id="U1", previous_id="U2")]
    resolved(joined, previous=published, as_of=TOMORROW).publish(published)
    undone = resolved(apart, previous=published, as_of=TOMORROW + timedelta(days=1))
    assert undone.people == first.people
    assert undone.rows("from identity.redirects") == []
    assert [
        row[0] for row in undone.rows("select kind from identity.history order by happened_at")
    ] == ["merge", "split"]


def test_a_published_build_without_persons_is_an_empty_past(tmp_path: Path) -> None:
    published = tmp_path / "published.duckdb"
    duckdb.connect(str(published)).execute("create table older (x integer)").close()
    world = resolved([signal("s", "web", user_id="U1")], previous=published)
    assert world.rows(HISTORY) == []
    assert world.report.profiles == 1


def test_a_published_file_that_is_no_database_is_one_clear_error(tmp_path: Path) -> None:
    published = tmp_path / "published.duckdb"
    published.write_bytes(b"not a database at all" * 1000)
    with pytest.raises(PerennialError, match="restore it, or delete it"):
        resolved([signal("s", "web", user_id="U1")], previous=published)
