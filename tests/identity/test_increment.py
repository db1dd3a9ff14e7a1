"""An increment looks at those whom new records reach, and gives what a look at everybody gives."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb
import pytest
from chaos import Town, compared, differing
from identity_world import (
    AS_OF,
    Signal,
    World,
    customer,
    member,
    named,
    signal,
    stage,
    warehouse,
)

from dagster_project.identity import IdentityReport, Rules, increment, load_rules, matching, resolve
from dagster_project.identity.measures import write_measures

RULES = replace(load_rules(), increment_signals=0)


@dataclass
class House:
    """A warehouse that is resolved, published and resolved again."""

    folder: Path
    signals: list[Signal]
    rules: Rules = RULES
    overrides: str = ""
    connection: duckdb.DuckDBPyConnection = field(init=False)
    day: int = 0

    def __post_init__(self) -> None:
        self.connection = warehouse(self.signals, self.folder / "warehouse.duckdb")

    def resolve(self, *new: Signal, publish: bool = True, **chosen: Any) -> IdentityReport:
        """A day on which these signals are new; those of a known name are told otherwise."""
        told = {one["signal_id"]: one for one in (*self.signals, *new)}
        self.signals = list(told.values())
        stage(self.connection, self.signals)
        file = self.folder / "overrides.csv"
        file.write_text("kind,from_type,from_value,to_type,to_value\n" + self.overrides)
        given = {
            "as_of": AS_OF + timedelta(days=self.day),
            "default_country": "RO",
            "salt": "s",
            "previous": self.folder / "published.duckdb",
            "rules": self.rules,
            "overrides": file,
            "accept": True,
        }
        whole = self.folder / "whole.duckdb"
        whole.unlink(missing_ok=True)
        with warehouse(self.signals, whole) as everybody:
            resolve(everybody, **(given | chosen | {"full": True}))
        report = resolve(self.connection, **(given | chosen))
        self.differing = differing(self.connection, whole)
        self.day += 1
        self.world = World(self.connection, report)
        if publish:
            self.world.publish(self.folder / "published.duckdb")
        return report


def people(count: int, first: int = 0) -> Iterable[Signal]:
    """Customers with an e-mail, a browser that knows it, and a card that does."""
    for number in range(first, first + count):
        email = f"p{number}@example.com"
        yield customer(f"c{number}", f"C{number}", number, email=email)
        yield signal(f"w{number}", "web", number, email=email, anonymous_id=f"a{number}")
        yield member(f"m{number}", f"L{number}", number, email=email)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, list(people(40)))


@pytest.mark.parametrize("seed", range(4))
def test_whatever_people_share_an_increment_gives_every_table_that_judging_everybody_gives(
    seed: int, tmp_path: Path
) -> None:
    days = list(compared(Town(seed), tmp_path, days=3))
    assert [different for _, different in days] == [[]] * 4
    assert [report.why_all == "" for report, _ in days] == [False, True, True, True]


@pytest.mark.parametrize("overlooked", ["neighbours", "those who are alike", "those named before"])
def test_the_comparison_sees_an_increment_that_overlooks_somebody(
    overlooked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if overlooked == "neighbours":
        monkeypatch.setattr(
            "dagster_project.identity.neighbours._of_crowds",
            lambda joining, gathered, rules: joining.is_demoted.copy(),  # noqa: ARG005
        )
    elif overlooked == "those who are alike":
        monkeypatch.setattr(matching, "_among_themselves", _nobody_met)
    else:
        monkeypatch.setattr(increment, "reach", _reach_nobody)
    assert any(
        tables
        for seed in range(10)
        for _, tables in compared(Town(seed), _folder(tmp_path, seed), days=2)
    )


def _folder(parent: Path, seed: int) -> Path:
    folder = parent / str(seed)
    folder.mkdir()
    return folder


def _nobody_met(joining: Any, pairs: Any) -> Any:
    joining.connection.execute(
        "create or replace temp table _identity_met "
        "(identifier_type varchar, identifier_value varchar)"
    )
    own = pairs.right < joining.evidence.node_count
    return matching.Pairs(pairs.left[own], pairs.right[own], pairs.probability[own])


_reach = increment.reach


def _reach_nobody(connection: duckdb.DuckDBPyConnection, *given: Any) -> None:
    _reach(connection, *given)
    connection.execute("delete from _identity_reached; delete from _identity_neighbourhoods")


def test_only_those_are_judged_whom_a_new_record_reaches(house: House) -> None:
    assert house.resolve().judged_signals == 120
    report = house.resolve(signal("new", "web", 300, email="p7@example.com", anonymous_id="b7"))
    assert (report.judged_signals, report.signals, report.why_all) == (4, 121, "")
    assert house.world.same("new", "c7", "w7", "m7")
    report = house.resolve(*people(1, first=900))
    assert report.judged_signals == 3
    assert report.profiles == 41


def test_who_is_reached_by_a_record_that_is_gone_is_judged_without_it(house: House) -> None:
    house.signals.append(signal("bridge", "web", 300, email="p1@example.com", user_id="u1"))
    house.signals.append(customer("other", "D1", 300, user_id="u1"))
    house.resolve()
    house.resolve()
    assert house.world.same("other", "c1")
    house.signals = [one for one in house.signals if one["signal_id"] != "bridge"]
    report = house.resolve()
    assert report.judged_signals == 4
    assert house.world.different("other", "c1")
    assert report.splits == 1


def test_a_merge_and_its_redirect_are_told_as_ever(house: House) -> None:
    house.resolve()
    former = house.world.people["c3"]
    report = house.resolve(signal("both", "web", 300, email="p3@example.com", user_id="u3"))
    report = house.resolve(
        signal("too", "web", 300, email="p2@example.com", user_id="u3"),
    )
    assert (report.merges, report.why_all) == (1, "")
    assert house.world.rows("select former_profile_id, profile_id from identity.redirects") == [
        (former, house.world.people["c2"])
    ]


def test_what_a_crowd_shares_draws_nobody_in_and_stays_demoted(house: House) -> None:
    house.rules = replace(RULES, crowd=20)
    house.signals += [
        signal(f"t{n}", "app", n, email=f"p{n}@example.com", device_id="till") for n in range(30)
    ]
    house.resolve()
    report = house.resolve(signal("new", "app", 300, email="p35@example.com", device_id="till"))
    assert report.judged_signals == 4
    assert (
        house.world.demoted()[("device_id", "till")]
        == "joins more registered persons than its limit"
    )
    assert house.world.different("new", "t1")
    held = "select count(distinct profile_id) from identity.identifiers where identifier_value = $1"
    assert house.world.rows(held, "till") == [(31,)]


CROWD = 55


def crowd(**told: Any) -> list[Signal]:
    """As many people as make a crowd, each with the same."""
    return [
        signal(f"g{n}", "web", n, email=f"p{n}@example.com", anonymous_id=f"a{n}", **told)
        for n in range(CROWD)
    ]


def test_an_alias_that_names_a_crowds_account_makes_no_strangers_one(tmp_path: Path) -> None:
    browsers = [
        signal(f"al{n}", "web", 200, anonymous_id=f"z{n}", previous_id="guest7") for n in (1, 2)
    ]
    house = House(tmp_path, [*people(60), *crowd(user_id="guest7"), *browsers])
    house.resolve()
    report = house.resolve(
        signal("q", "web", 300, email="one@example.com", anonymous_id="z1"),
        signal("r", "web", 300, email="two@example.com", anonymous_id="z2"),
    )
    assert (report.why_all, house.differing) == ("", [])
    assert house.world.different("q", "r")
    report = house.resolve(signal("x", "web", 301, anonymous_id="guest7"))
    assert report.why_all == "a browser has the name of an account that a crowd uses"


def test_an_alias_that_names_a_crowds_browser_isnt_taken_for_an_account(tmp_path: Path) -> None:
    kiosk = [
        signal(f"k{n}", "web", n, email=f"p{n}@example.com", anonymous_id="kiosk")
        for n in range(CROWD)
    ]
    account = signal("acc", "web", 50, user_id="kiosk", email="p57@example.com")
    alias = signal("al", "web", 200, anonymous_id="z1", previous_id="kiosk")
    house = House(tmp_path, [*people(60), *kiosk, account, alias])
    house.resolve()
    report = house.resolve(
        signal("q", "web", 300, anonymous_id="z1", email="stranger@example.com"),
        signal("q2", "web", 300, anonymous_id="b57", email="p57@example.com"),
    )
    assert (report.why_all, house.differing) == ("", [])
    assert house.world.different("q", "acc")


def test_a_steward_who_names_what_a_crowd_shares_is_followed_every_day(tmp_path: Path) -> None:
    house = House(tmp_path, [*people(60), *crowd(phone="0721 000 123", country="RO")])
    house.overrides = "".join(
        f"must_link,phone,0721 000 123,erp_customer_id,C{n}\n" for n in (57, 58)
    )
    house.resolve()
    for day, person in enumerate((56, 2, 59, 3)):
        email = f"p{person}@example.com"
        report = house.resolve(signal(f"n{day}", "web", 300, email=email, anonymous_id=f"q{day}"))
        assert report.why_all == "an override names what a crowd shares"
        assert (report.unknown_overrides, house.differing) == ((), [])
        assert house.world.same("c57", "c58")


def test_what_a_crowd_shares_holds_records_until_it_was_demoted(tmp_path: Path) -> None:
    """A shop's own e-mail at its customers' and on receipts with one customer's phone."""
    shop, phone = "shop@retailer.example", {"phone": "+40721000555", "country": "RO"}
    house = House(
        tmp_path,
        [
            *(
                customer(f"c{n}", f"C{n}", n, email=shop, **named(f"Given{n}xyz", f"Family{n}abc"))
                for n in range(60)
            ),
            *(
                member(f"l{n}", f"L{n}", n, payment_card=f"k{n}", email=f"m{n}@example.com")
                for n in range(8)
            ),
            *(
                signal(f"r{n}", "pos", 60 + n, email=shop, payment_card=f"k{n}", **phone)
                for n in range(8)
            ),
            customer("cp", "C900", 5, **phone, **named("Ana", "Pop")),
        ],
    )
    house.resolve()
    demoted = house.world.demoted()
    assert demoted[("email", shop)].startswith("shares identifiers with more persons")
    report = house.resolve(customer("cp2", "C900", 300, email="ana@example.com", **phone))
    assert (report.why_all, house.differing) == ("", [])
    assert house.world.demoted() == demoted


def test_a_build_of_the_future_delays_no_look_at_everybody(house: House) -> None:
    house.resolve(as_of=AS_OF + timedelta(days=3650))
    assert house.resolve(as_of=AS_OF).why_all == "all were judged as of a later time"
    assert house.resolve(as_of=AS_OF + timedelta(days=1)).why_all == ""


def test_another_version_of_a_library_may_spell_otherwise(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.resolve()
    monkeypatch.setattr(increment, "version", lambda name: f"another {name}")
    assert "Perennial changed" in house.resolve().why_all


@pytest.mark.parametrize(
    "damage",
    [
        "drop table identity_state.neighbours",
        "drop table identity_state.records",
        "drop table identity_state.residents",
        "drop table identity.normalised",
        "drop schema identity cascade",
        "alter table identity_state.resolution drop digest",
        "update identity_state.resolution set judged_all_at = null",
    ],
)
def test_a_damaged_state_is_made_anew(house: House, damage: str) -> None:
    house.resolve()
    house.connection.execute(damage)
    assert house.resolve().why_all
    assert house.differing == []
    assert house.resolve().why_all == ""


def test_one_copy_less_of_a_signal_is_seen(house: House) -> None:
    copies = [signal("twice", "web", 5, email="p5@example.com", anonymous_id="a5")] * 2
    stage(house.connection, [*house.signals, *copies])
    given = {"as_of": AS_OF, "default_country": "RO", "salt": "s", "rules": RULES, "accept": True}
    published = house.folder / "published.duckdb"
    report = resolve(house.connection, previous=None, **given)
    World(house.connection, report).publish(published)
    stage(house.connection, [*house.signals, *copies[:1]])
    report = resolve(house.connection, previous=published, **given)
    assert report.why_all == "a signal is there more often, or less, than before"


def test_everybody_is_judged_when_anything_changed_that_judgements_hang_on(house: House) -> None:
    assert house.resolve().why_all == "there is no resolution to go on from"
    assert house.resolve().why_all == ""
    house.overrides = "must_link,erp_customer_id,C1,erp_customer_id,C2\n"
    assert "overrides" in house.resolve().why_all
    assert house.resolve().why_all == ""
    house.rules = replace(house.rules, hub_limit=6)
    assert "rules" in house.resolve().why_all
    assert "a setting" in house.resolve(salt="another").why_all
    assert "7 days" in house.resolve(salt="another", as_of=AS_OF + timedelta(days=99)).why_all
    assert house.resolve(full=True).why_all == "it was asked for"


def test_what_was_never_published_is_nothing_to_go_on_from(house: House) -> None:
    house.resolve()
    house.resolve(publish=False)
    assert house.resolve().why_all == "the last resolution wasn't published"
    assert house.resolve(previous=None).why_all == "the last resolution wasn't published"


def test_where_most_is_new_or_all_is_little_everybody_is_judged(house: House) -> None:
    house.resolve()
    assert "would be judged anew" in house.resolve(*people(60, first=500)).why_all
    house.rules = load_rules()
    house.resolve()
    assert "so few" in house.resolve().why_all


def test_a_steward_is_followed_where_only_one_of_the_two_has_anything_new(house: House) -> None:
    house.overrides = (
        "must_link,erp_customer_id,C1,erp_customer_id,C2\n"
        "cannot_link,erp_customer_id,C3,loyalty_id,L3\n"
        "must_link,erp_customer_id,C5,erp_customer_id,later\n"
    )
    assert house.resolve().unknown_overrides == (4,)
    report = house.resolve(
        customer("l", "later", 300), member("m3", "L3", 301, email="p3@example.com")
    )
    assert (report.why_all, report.unknown_overrides, report.unmet_overrides) == ("", (), ())
    assert house.world.same("c1", "c2")
    assert house.world.same("c5", "l")
    assert house.world.different("c3", "m3")


def test_broken_off_an_increment_leaves_all_as_it_was_and_the_next_one_does_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.resolve()
    before = house.world.rows("from identity.resolved order by all")

    def break_off(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    module = import_module("dagster_project.identity.resolve")
    monkeypatch.setattr(module, "write_measures", break_off)
    new = signal("new", "web", 300, email="p7@example.com", anonymous_id="b7")
    with pytest.raises(KeyboardInterrupt):
        house.resolve(new)
    assert house.world.rows("from identity.resolved order by all") == before
    assert house.world.rows("select database_name from duckdb_databases() where not internal") == [
        ("warehouse",)
    ]
    monkeypatch.setattr(module, "write_measures", write_measures)
    stage(house.connection, [*house.signals, new])
    assert house.resolve(new).judged_signals == 4
