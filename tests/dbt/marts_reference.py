"""The steering marts computed a second time: one person and one day at a time, in exact fractions.

Slow and plain on purpose. Thresholds are read from the same seeds and vars that the queries read.
"""

import csv
import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from functools import cache, cached_property
from itertools import groupby, pairwise
from statistics import mean, median, pvariance

from marts_world import PROJECT, TODAY, World, defaults
from scipy import stats

from dagster_project.prediction import load_rules

ONE_DAY = timedelta(days=1)


@cache
def seed(name: str) -> list[dict[str, str]]:
    """Return the rows of a seed."""
    with (PROJECT / "seeds" / "marts" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@dataclass(frozen=True)
class Period:
    """An unbroken stay in a stage."""

    profile_id: str
    stage: str
    started_on: date
    ended_on: date | None
    previous_stage: str | None


def churn_factor(days: list[date]) -> Fraction | None:
    """Days since the last purchase in units of the mean gap."""
    if len(days) < 2:
        return None
    mean = Fraction((days[-1] - days[0]).days, len(days) - 1)
    return max((TODAY - days[-1]).days, 0) / mean


def border(stage: str, known: list[date]) -> date:
    """The first day of a stage after the last of the known purchase days, if none follows."""
    (rule,) = (row for row in seed("lifecycle_thresholds") if row["stage"] == stage)
    if len(known) < defaults()["lifecycle_rhythm_purchase_days"]:
        return known[-1] + timedelta(days=int(rule["days_without_rhythm"]))
    mean = Fraction((known[-1] - known[0]).days, len(known) - 1)
    days = math.ceil(Fraction(rule["churn_factor_from"]) * mean)
    return known[-1] + timedelta(days=min(max(days, int(rule["days_from"])), int(rule["days_to"])))


def stages_by_day(world: World, person: str) -> dict[date, str]:
    """The stage of a person at the end of each day, from the first known day to today."""
    days = world.histories.get(person, [])
    return dict(_walk(days, world.reachable.get(person)))


def _walk(days: list[date], reachable_on: date | None) -> Iterator[tuple[date, str]]:
    starts = [day for day in (reachable_on, *(min(day, TODAY) for day in days)) if day]
    day = min(starts, default=TODAY + ONE_DAY)
    borders = [
        (border("at_risk", days[: n + 1]), border("churned", days[: n + 1]))
        for n in range(len(days))
    ]
    while day <= TODAY:
        count = sum(min(bought, TODAY) <= day for bought in days)
        yield day, _stage(day, days[:count], borders[:count])
        day += ONE_DAY


def _stage(day: date, known: list[date], borders: list[tuple[date, date]]) -> str:
    if not known:
        return "subscriber"
    at_risk_on, churned_on = borders[-1]
    comebacks = [
        bought
        for bought, (_, was_churned_on) in zip(known[1:], borders, strict=False)
        if min(bought, TODAY) > was_churned_on
    ]
    if day >= churned_on:
        return "churned"
    if comebacks:
        grace, began, length = (
            "reactivated",
            comebacks[-1],
            defaults()["lifecycle_reactivated_days"],
        )
    else:
        grace, began, length = "new", known[0], defaults()["lifecycle_new_days"]
    if day < began + timedelta(days=length):
        return grace
    return "at_risk" if day >= at_risk_on else "active"


def periods(world: World) -> set[Period]:
    """Every stay of every person, from their stages day by day."""
    found = set()
    for person in world.histories.keys() | world.reachable.keys():
        stays = [
            (stage, next(iter(days))[0])
            for stage, days in groupby(stages_by_day(world, person).items(), lambda item: item[1])
        ]
        for number, (stage, started_on) in enumerate(stays):
            ended_on = stays[number + 1][1] if number + 1 < len(stays) else None
            previous = stays[number - 1][0] if number else None
            found.add(Period(person, stage, started_on, ended_on, previous))
    return found


def slowdowns(histories: dict[str, list[date]]) -> dict[str, tuple[float, float, str]]:
    """Change of the habit, how seldom chance does that, and how severe it is, where it is known."""
    rules = load_rules()
    gaps = {
        person: [
            (later - earlier).days
            for earlier, later in pairwise(days)
            if (TODAY - later).days < rules.habit_days
        ]
        for person, days in histories.items()
    }
    telling = [pvariance(each) / mean(each) ** 2 for each in gaps.values() if len(each) >= 8]
    typical = median(telling) if telling else 1.0
    found = {}
    for person, days in histories.items():
        looks = [
            look
            for later in range(rules.habit_changes + 1)
            if (look := _look(days, gaps[person], later, typical, rules.habit_gaps))
        ]
        if looks:
            change, chance = min(looks, key=lambda look: look[1])
            found[person] = change, chance, _severity(change, chance)
    return found


def _look(
    days: list[date], gaps: list[int], later: int, typical: float, least: int
) -> tuple[float, float] | None:
    """What the last purchases, so many, say against the gaps before them."""
    earlier = gaps[: max(len(gaps) - later, 0)]
    if len(earlier) < least:
        return None
    usual = mean(earlier)
    squares = sum((gap - usual) ** 2 for gap in earlier) / usual**2
    shape = 1 / max((squares + 6 * typical) / (len(earlier) - 1 + 6), 0.01)
    start = days[len(days) - 1 - later]
    elapsed, closed = max((TODAY - start).days, 0), (days[-1] - start).days
    below = 2 * shape * len(earlier)
    longer, slower = elapsed / (later + 1) / usual, 1.0
    if longer > 1:
        slower = stats.f.sf(longer, 2 * shape * (later + 1), below)
    recent, faster = elapsed / (later + 1), 1.0
    if later:
        # What was bought tomorrow is bought today.
        closed = min(closed, elapsed)
        recent = max(recent, closed / later)
        if (shorter := closed / later / usual) < 1:
            faster = stats.f.cdf(shorter, 2 * shape * later, below)
    return usual / max(recent, 0.5) - 1, min(slower, faster)


def _severity(change: float, chance: float) -> str:
    severity = "none"
    for rule in seed("drop_severities"):
        if change <= float(rule["frequency_change_to"]) and chance <= float(rule["chance_to"]):
            severity = rule["drop_severity"]
    return severity


def incentive_tier(severity: str, factor: Fraction | None) -> str:
    """The tier of a severity and a churn factor."""
    tier = ""
    for rule in seed("incentive_tiers"):
        lowest = rule["churn_factor_from"]
        if rule["drop_severity"] != severity or (factor is None) != (lowest == ""):
            continue
        if factor is None or factor >= Fraction(lowest):
            tier = rule["incentive_tier"]
    return tier


Members = dict[str, str]
Figures = dict[tuple[str, str], Counter[str]]
KPI_OF_STAGE = {
    "subscriber": "subscribers",
    "new": "new_customers",
    "active": "active_customers",
    "at_risk": "customers_at_risk",
    "churned": "churned_customers",
    "reactivated": "reactivated_customers",
}


@dataclass(frozen=True)
class Order:
    """A purchase as the key figures see it; `place` sorts those of a day."""

    profile_id: str | None
    day: date
    place: tuple
    channel: str
    store: str
    amount: Fraction


@dataclass(frozen=True)
class House:
    """Everybody whom the key figures count; `signed_up` names the source that showed each first."""

    world: World
    orders: list[Order]
    countries: dict[str, str]
    signed_up: dict[str, str]
    losses: dict[str, Fraction] = field(default_factory=dict)

    @cached_property
    def stages(self) -> dict[str, dict[date, str]]:
        """The stage of each person at the end of each day."""
        everybody = self.world.histories.keys() | self.world.reachable.keys()
        return {person: stages_by_day(self.world, person) for person in everybody}

    @cached_property
    def members(self) -> dict[tuple[str, str], Members]:
        """Where each person counts as a subscriber and as a customer."""
        found = {}
        for order in sorted(self.orders, key=lambda each: (each.day, each.place)):
            if order.profile_id and (order.profile_id, "customer") not in found:
                found[order.profile_id, "customer"] = {
                    "channel": order.channel,
                    "store": order.store,
                    "cohort": str(order.day.replace(day=1)),
                }
        for person, by_day in self.stages.items():
            began, stage = next(iter(by_day.items()))
            if stage == "subscriber":
                source = self.signed_up[person]
                found[person, "subscriber"] = {
                    "channel": {"web": "web", "app": "app", "pos": "store"}.get(source, "unknown"),
                    "store": "none",
                    "cohort": str(began.replace(day=1)),
                }
        for (person, _), members in found.items():
            members["country"] = self.countries.get(person, "unknown")
        return found

    def figures(self, day: date) -> Figures:
        """What can be summed of each member of each dimension at the end of a day."""
        found: Figures = defaultdict(Counter)
        for person, by_day in self.stages.items():
            if day in by_day:
                bought = [min(each, TODAY) for each in self.world.histories.get(person, [])]
                bought = [each for each in bought if each <= day]
                self._count_stage(found, person, by_day[day], day, bought)
                if bought:
                    self._count_customer(found, person, day, bought)
        for order in self.orders:
            self._count_order(found, order, day)
        return found

    def _count_stage(
        self, found: Figures, person: str, stage: str, day: date, bought: list[date]
    ) -> None:
        role = "subscriber" if stage == "subscriber" else "customer"
        _add(found, self.members[person, role], KPI_OF_STAGE[stage])
        as_subscriber = self.members.get((person, "subscriber"), {})
        window = defaults()["kpi_window_days"]
        if as_subscriber and (not bought or (day - bought[0]).days < window):
            _add(found, as_subscriber, "convertible_subscribers")
            _add(found, as_subscriber, "converted_subscribers", int(bool(bought)))

    def _count_customer(self, found: Figures, person: str, day: date, bought: list[date]) -> None:
        numbers, members = defaults(), self.members[person, "customer"]
        window, activation = numbers["kpi_window_days"], numbers["kpi_activation_days"]
        _add(found, members, "customers")
        _add(found, members, "first_time_customers", int(bought[0] == day))
        if activation <= (day - bought[0]).days < activation + window:
            again = len(bought) > 1 and (bought[1] - bought[0]).days <= activation
            _add(found, members, "activation_candidates")
            _add(found, members, "activated_customers", int(again))
        lately = sum((day - each).days < numbers["kpi_frequency_days"] for each in bought)
        _add(found, members, "purchase_days", lately)
        _add(found, members, "buyers", int(lately > 0))
        if day == TODAY:
            _add(found, members, "expected_losses", self.losses[person])

    def _count_order(self, found: Figures, order: Order, day: date) -> None:
        age = (day - min(order.day, TODAY)).days
        buyer = {"country": "unknown", "cohort": "unknown"}
        if order.profile_id:
            buyer = self.members[order.profile_id, "customer"]
            _add(found, buyer, "value_so_far", order.amount if age >= 0 else 0)
        if 0 <= age < defaults()["kpi_window_days"]:
            own = {**buyer, "channel": order.channel, "store": order.store}
            _add(found, own, "orders")
            _add(found, own, "revenue", order.amount)


def _add(found: Figures, members: Members, what: str, count: int | Fraction = 1) -> None:
    for member in (("all", "all"), *members.items()):
        found[member][what] += count
