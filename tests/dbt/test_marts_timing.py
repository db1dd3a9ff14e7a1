"""When and where people buy and engage, against a second computation from what was drawn."""

import json
from collections import Counter, defaultdict
from copy import deepcopy
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from math import asin, cos, log, radians, sin, sqrt
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest
from core_purchases import later
from core_world import AS_OF, TIMEZONE, build_all, table_rows, unit_test_results
from marts_world import defaults, manifest, rows
from timing_world import CLICKED, STORES, Person, World, draw

TODAY = AS_OF.astimezone(ZoneInfo(TIMEZONE)).date()
MODELS = {
    "int_engagements",
    "int_messages",
    "int_positions",
    "customer_timing",
    "channel_answers",
    "customer_occasions",
    "local_holidays",
    "customer_places",
}
FOLDERS = (
    "fqn:perennial.staging.web fqn:perennial.intermediate.engagement "
    "fqn:perennial.intermediate.places fqn:perennial.marts.timing fqn:perennial.marts.places"
)


@pytest.fixture(scope="module")
def world() -> World:
    return draw(150, seed=5)


@pytest.fixture(scope="module")
def warehouse(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_all(tmp_path_factory.mktemp("timing") / "warehouse.duckdb", world.raw)


def test_every_unit_test_of_timing_and_places_passes(warehouse: Path) -> None:
    found = unit_test_results(warehouse, FOLDERS)
    assert {name: outcome for name, outcome in found.items() if outcome != "pass"} == {}
    assert {test.model for test in manifest().unit_tests.values() if test.name in found} >= MODELS


def _local(at: datetime, store: str | None) -> datetime:
    zone = STORES[store][3] if store in STORES else TIMEZONE
    return at.astimezone(ZoneInfo(zone))


def _engaged_hours(person: Person) -> dict[tuple[date, int], Decimal]:
    found: dict[tuple[date, int], Decimal] = {}
    since = AS_OF - timedelta(days=defaults()["engagement_window_days"])
    for at, weight in person.engaged if person.tracking is not False else []:
        local = _local(at, None)
        if at > since:
            place = (local.date(), local.hour)
            found[place] = max(weight, found.get(place, weight))
    return found


# Of each person the times by place (hour or weekday): how often, with what evidence, when last.
Times = dict[int, tuple[Decimal, Decimal, datetime | date]]


def _times(seen: list[tuple[int, Decimal, object, datetime | date]]) -> Times:
    """By place of: place, times, what is no further evidence when it comes again, when."""
    often, weights, last = Counter(), defaultdict(dict), {}
    for place, weight, occasion, at in seen:
        often[place] += weight if isinstance(at, date) and not isinstance(at, datetime) else 1
        weights[place][occasion] = max(weight, weights[place].get(occasion, weight))
        last[place] = max(at, last.get(place, at))
    return {
        place: (Decimal(often[place]), sum(weights[place].values()), last[place]) for place in often
    }


def _habits(person: Person) -> dict[str, Times]:
    bought = [(_local(at, store), at) for at, store in person.purchases]
    purchase_days = {local.date() for local, _ in bought}
    engaged = _engaged_hours(person)
    engaged_days: dict[date, Decimal] = {}
    for (day, _), weight in engaged.items():
        engaged_days[day] = max(weight, engaged_days.get(day, weight))
    return {
        "purchase_hour": _times([(b.hour, CLICKED, b.date(), at) for b, at in bought]),
        "purchase_weekday": _times([(d.isoweekday(), CLICKED, d, d) for d in purchase_days]),
        "engagement_hour": _times([(h, w, d, d) for (d, h), w in engaged.items()]),
        "engagement_weekday": _times([(d.isoweekday(), w, d, d) for d, w in engaged_days.items()]),
    }


def _preferred(times: Times, crowd: Counter, places: int) -> tuple[int | None, float | None]:
    """Most frequent place, where Chernoff's bound says that everybody's habit seldom gives it."""
    if not times:
        return None, None
    place = max(times, key=lambda p: (times[p][0], times[p][2], -p))
    total = float(sum(weight for _, weight, _ in times.values()))
    share = float(times[place][1]) / total
    usual = (float(crowd[place]) + 1) / (float(sum(crowd.values())) + places)
    if share <= usual:
        return None, None
    distance = share * log(share / usual)
    if share < 1:
        distance += (1 - share) * log((1 - share) / (1 - usual))
    told = total * distance >= log(places / defaults()["preference_chance_to"])
    told = told and total >= defaults()["preference_times_from"]
    return (place, share) if told else (None, None)


@pytest.mark.parametrize(
    ("habit", "places"),
    [
        ("purchase_hour", 24),
        ("purchase_weekday", 7),
        ("engagement_hour", 24),
        ("engagement_weekday", 7),
    ],
)
def test_every_preferred_time_is_that_of_a_second_computation(
    world: World, warehouse: Path, habit: str, places: int
) -> None:
    times = {profile: _habits(person)[habit] for profile, person in world.people.items()}
    crowd: Counter = Counter()
    for one in times.values():
        crowd.update({place: weight for place, (_, weight, _) in one.items()})
    found = rows(
        warehouse,
        f"select profile_id, preferred_{habit}, {habit}_share, {habit}_evidence "
        "from marts.customer_timing",
    )
    assert len(found) == len(world.people)
    for profile, place, share, evidence in found:
        assert evidence == sum(weight for _, weight, _ in times[profile].values()), profile
        assert (place, share) == (
            *_preferred(times[profile], crowd, places)[:1],
            pytest.approx(_preferred(times[profile], crowd, places)[1]),
        ), profile
    told = sum(row[1] is not None for row in found)
    assert 10 < told < len(found) - 10 if "hour" in habit else told >= 0


def test_a_preferred_purchase_hour_is_the_profiles_or_none(warehouse: Path) -> None:
    [(told, other)] = rows(
        warehouse,
        "select count(preferred_purchase_hour), count_if(preferred_purchase_hour <> preferred_hour)"
        " from marts.customer_timing join marts.customer_profiles using (profile_id)",
    )
    assert told > 10
    assert other == 0


def test_every_answer_rate_is_that_of_a_second_computation(world: World, warehouse: Path) -> None:
    totals: dict[tuple[str, str], tuple[int, int, int]] = {}
    for profile, person in world.people.items():
        for channel, sent in person.messages.items() if person.tracking is not False else []:
            clicked = sum(clicks for _, clicks in sent)
            answered = sum(opens or clicks for opens, clicks in sent)
            totals[profile, channel] = (len(sent), answered, clicked)
    weight, prior = defaults()["engagement_open_weight"], defaults()["answer_prior_messages"]
    answers = {key: c + (a - c) * weight for key, (_, a, c) in totals.items()}
    found = rows(
        warehouse,
        "select profile_id, channel, messages, answered, clicked, answer_rate, answer_rank "
        "from marts.channel_answers",
    )
    assert {row[:2]: row[2:5] for row in found} == totals
    assert len(totals) > 100
    rates = {}
    for key in totals:
        usual = sum(v for k, v in answers.items() if k[1] == key[1]) / sum(
            v[0] for k, v in totals.items() if k[1] == key[1]
        )
        rates[key] = round((answers[key] + prior * usual) / (totals[key][0] + prior), 6)
    ranks = {}
    for profile in world.people:
        answered = [key for key in totals if key[0] == profile and totals[key][1]]
        answered.sort(key=lambda key: (-rates[key], -totals[key][0], key[1]))
        ranks |= {key: rank for rank, key in enumerate(answered, start=1)}
    for profile, channel, *_, rate, rank in found:
        assert rate == pytest.approx(rates[profile, channel], abs=2e-6)
        assert rank == ranks.get((profile, channel)), profile
    best = rows(warehouse, "select profile_id, best_channel from marts.customer_timing")
    first = {key[0]: key[1] for key, rank in ranks.items() if rank == 1}
    assert dict(best) == {profile: first.get(profile) for profile in world.people}
    assert set(first.values()) == {"email", "push"}


def _next(began: date) -> tuple[date, int] | None:
    """The next day that is called its anniversary, found by looking at one day after the other."""
    for ahead in range(367):
        day = TODAY + timedelta(days=ahead)
        leaps = (day + timedelta(days=1)).day == 1 and (began.month, began.day) == (2, 29)
        kept = (began.month, began.day) == (day.month, day.day) or (leaps and day.month == 2)
        if kept and day.year > began.year:
            return day, day.year - began.year
    return None


def test_every_occasion_is_found_by_looking_at_each_day(world: World, warehouse: Path) -> None:
    expected = {}
    for profile, person in world.people.items():
        first = min((_local(at, store).date() for at, store in person.purchases), default=None)
        began = {"birthday": person.birth_date, "first_purchase_anniversary": first}
        for occasion, day in began.items():
            if day and day <= TODAY:
                expected[profile, occasion] = _next(day)
    found = rows(
        warehouse,
        "select profile_id, occasion, next_on, years, days_until from marts.customer_occasions",
    )
    assert {row[:2]: row[2:4] for row in found} == expected
    assert {row[4] for row in found} >= {0, 1, 364}
    assert all(row[4] == (row[2] - TODAY).days for row in found)


def _degrees(number: float) -> float:
    return float(Decimal(str(number)).quantize(Decimal("0.01"), ROUND_HALF_UP))


def _haversine(one: tuple[float, float], other: tuple[float, float]) -> float:
    (a, b), (c, d) = (tuple(map(radians, place)) for place in (one, other))
    h = sin((c - a) / 2) ** 2 + cos(a) * cos(c) * sin((d - b) / 2) ** 2
    return 2 * 6371.0088 * asin(min(1.0, sqrt(h)))


def _nearest(person: Person) -> tuple[str | None, int | None, date | None]:
    if not person.positions or not person.location or person.tracking is False:
        return None, None, None
    newest = max(at for at, *_ in person.positions)
    _, _, latitude, longitude = min(p for p in person.positions if p[0] == newest)
    here = (_degrees(latitude), _degrees(longitude))
    distances = {
        store: round(_haversine(here, place[:2]), 3)
        for store, place in STORES.items()
        if place[0] is not None
    }
    store = min(distances, key=lambda store: (distances[store], store))
    return store, round(distances[store]), newest.astimezone(ZoneInfo(TIMEZONE)).date()


def _home(person: Person) -> str | None:
    if person.home_stores:
        newest = max(changed for changed, _, _ in person.home_stores)
        return min(card for card in person.home_stores if card[0] == newest)[2]
    days = defaultdict(set)
    for at, store in person.purchases:
        if store in STORES:
            days[store].add(_local(at, store).date())
    ranked = sorted(days, key=lambda s: (-len(days[s]), -max(days[s]).toordinal(), s))
    return ranked[0] if ranked else None


def test_every_place_is_that_of_a_second_computation(world: World, warehouse: Path) -> None:
    found = rows(
        warehouse,
        "select profile_id, home_store_id, nearest_store_id, nearest_store_km, positioned_on "
        "from marts.customer_places",
    )
    expected = {profile: (_home(p), *_nearest(p)) for profile, p in world.people.items()}
    assert {row[0]: row[1:] for row in found} == expected
    assert sum(row[2] is not None for row in found) > 20
    assert sum(row[1] is not None for row in found) > 100


def test_the_next_holiday_is_that_of_the_persons_country(world: World, warehouse: Path) -> None:
    following = {
        "RO": (date(2026, 4, 10), "Good Friday"),
        "PT": (date(2026, 4, 3), "Good Friday"),
        "US": (date(2026, 5, 25), "Memorial Day"),
        "FJ": (date(2026, 4, 3), "Good Friday"),
    }
    expected = {}
    for profile, person in world.people.items():
        home = _home(person)
        country = person.country or (STORES[home][2] if home else None)
        expected[profile] = following.get(country or "", (None, None))
    found = rows(
        warehouse, "select profile_id, next_holiday_on, next_holiday from marts.customer_timing"
    )
    assert {row[0]: row[1:] for row in found} == expected
    assert (None, None) in expected.values()


def _moved(world: World) -> World:
    """The same world in which everybody without location consent is somewhere else."""
    moved = deepcopy(world)
    for table in ("web_events", "app_events"):
        for row in moved.raw[table]:
            person = world.people[f"p{row['userId'].removeprefix('user-')}"]
            is_there = "latitude" in row.get("context", "")
            if is_there and (not person.location or person.tracking is False):
                where = {"latitude": 64.13, "longitude": -21.9}
                row["context"] = json.dumps({"location": where})
    return moved


def test_where_people_without_consent_are_shows_nowhere_and_order_changes_nothing(
    world: World, warehouse: Path, tmp_path: Path
) -> None:
    moved = _moved(world).raw
    assert moved != world.raw
    random = Random(3)
    raw = {table: later(landed, random) for table, landed in moved.items()}
    again = build_all(tmp_path / "warehouse.duckdb", raw, tested=False)
    tables = rows(
        warehouse,
        "select table_schema || '.' || table_name from information_schema.tables "
        "where table_schema in ('marts', 'audiences') order by all",
    )
    assert ("marts.customer_places",) in tables
    for (table,) in tables:
        assert table_rows(again, table) == table_rows(warehouse, table), table


def test_no_position_of_anybody_is_published(warehouse: Path) -> None:
    columns = rows(
        warehouse,
        "select column_name from duckdb_columns() where schema_name in ('marts', 'audiences')",
    )
    words = ("latitude", "longitude", "location")
    assert [name for (name,) in columns if any(word in name for word in words)] == []
    [(told,)] = rows(
        warehouse,
        "select count(*) from marts.customer_places where nearest_store_id is not null "
        "and profile_id not in (select profile_id from marts.customer_consents "
        "where purpose = 'location' and state = 'granted')",
    )
    assert told == 0
