"""A town where everybody uses everybody's things, to see whether increments overlook anybody.

    python -m tests.identity.chaos --towns 200 --days 5

Its people borrow phones, cards, browsers and names all the time, so that most identifiers are
demoted, links cut and registrations alike. Each day some records are new, some are told otherwise
and some are gone. What an increment makes of the day is compared with what judging everybody makes
of it, table by table.
"""

import argparse
import random
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import duckdb

from dagster_project.identity import IdentityReport, Rules, load_rules, resolve
from tests.identity.identity_world import AS_OF, Signal, World, signal, stage, warehouse

# Everything but what says when it was resolved.
TABLES = {
    "identity": (
        "resolved",
        "profiles",
        "identifiers",
        "links",
        "ties",
        "cut_links",
        "review",
        "demoted",
        "normalised",
        "history",
        "redirects",
        "household_members",
        "household_links",
        "measures",
    ),
    "identity_state": ("records", "residents"),
}
_GIVEN = ("Ana", "Anca", "Gabriel", "Gabriela", "Ion", "Maria", "Marin", "Luisa", "Lucas")
_FAMILY = ("Pop", "Popa", "Lima", "Costa", "Silva", "Ionescu")
_STREETS = ("Rua da Luz 1", "Rua da Luz 3", "Strada Morii 12", "Strada Morii 21")


class Town:
    """Signals by name, and a way to have more, others and fewer of them."""

    def __init__(self, seed: int, *, people: int = 80, signals: int = 240) -> None:
        self.random = random.Random(seed)
        self.people = people
        self.signals: dict[str, Signal] = {}
        for _ in range(signals):
            self._tell()

    def live(self, changes: int) -> None:
        """A day: so many signals are new, and about as many told otherwise or gone."""
        for _ in range(changes):
            match self.random.randrange(4):
                case 0:
                    self.signals.pop(self.random.choice(sorted(self.signals)))
                case 1:
                    name = self.random.choice(sorted(self.signals))
                    told = self.signals[name]
                    told["record_count"] += 1
                    told["last_seen_at"] += timedelta(days=self.random.randrange(40))
                case _:
                    self._tell()

    def _tell(self) -> None:
        draw, person = self.random, self.random.randrange(self.people)
        source = draw.choice(("erp", "pos", "pos", "web", "web", "app"))
        own: dict[str, str] = {}

        def use(kind: str, value: str, often: float, borrowed: float = 0.04) -> None:
            if draw.random() < often:
                whose = draw.randrange(self.people) if draw.random() < borrowed else person
                own[kind] = value.format(whose)

        use("email", "p{}@example.com", 0.3)
        use("phone", "+4072100{:04}", 0.3, 0.12)
        if source == "erp":
            use("erp_customer_id", "C{}", 1, 0.05)
            use("tax_id", "20012{:04}", 0.2)
            use("loyalty_id", "L{}", 0.1)
            use("user_id", "u{}", 0.1)
        elif source == "pos":
            use("loyalty_id", "L{}", 0.6)
            use("payment_card", "k{}", 0.6, 0.12)
        else:
            use("anonymous_id", "a{}", 0.9, 0.06)
            use("user_id", "u{}", 0.5)
            use("device_id", "d{}", 0.3 if source == "app" else 0.05, 0.12)
            if draw.random() < 0.15:
                other = draw.randrange(self.people)
                own["previous_id"] = draw.choice((f"a{other}", f"u{other}", f"x{other % 3}"))
                if draw.random() < 0.2:
                    own["anonymous_id"] = own["previous_id"]
        told: dict[str, object] = {}
        if draw.random() < 0.7:
            told["given_name"] = _GIVEN[(person + (draw.random() < 0.1)) % len(_GIVEN)]
            told["family_name"] = _FAMILY[(person // 2 + (draw.random() < 0.1)) % len(_FAMILY)]
            if draw.random() < 0.6:
                told["street_address"] = _STREETS[person % len(_STREETS)]
                told["postal_code"], told["city"] = f"10{person % 5}00", f"City {person % 3}"
            if draw.random() < 0.5:
                told["birth_date"] = date(1950, 1, 1) + timedelta(days=person * 401)
        name = f"s{len(self.signals):03}-{draw.randrange(10**9)}"
        registers = {"erp": "erp_customers", "pos": "pos_members"}
        self.signals[name] = signal(name, source, draw.randrange(400), **own, **told) | {
            "source_table": registers.get(source, "web_events"),
            "country": "RO",
            "record_count": 1 + draw.randrange(5),
        }
        self.signals[name]["last_seen_at"] += timedelta(days=draw.randrange(100))


def compared(
    town: Town, folder: Path, *, days: int, changes: int = 4, rules: Rules | None = None
) -> Iterator[tuple[IdentityReport, list[str]]]:
    """Each day's increment, and the tables in which judging everybody gives anything else."""
    rules = rules or replace(
        load_rules(), crowd=1_000_000, increment_signals=0, increment_share=1.0
    )
    published = folder / "published.duckdb"
    connection = warehouse(town.signals.values(), folder / "warehouse.duckdb")
    for number in range(days + 1):
        given = {
            "as_of": AS_OF + timedelta(hours=number),
            "default_country": "RO",
            "salt": "s",
            "previous": published if number else None,
            "rules": rules,
            "accept": True,
        }
        whole = folder / "whole.duckdb"
        whole.unlink(missing_ok=True)
        everybody = warehouse(town.signals.values(), whole)
        resolve(everybody, full=True, **given)
        everybody.close()
        report = resolve(connection, **given)
        yield report, differing(connection, whole)
        World(connection, report).publish(published)
        town.live(changes)
        stage(connection, town.signals.values())
    connection.close()


def differing(connection: duckdb.DuckDBPyConnection, whole: Path) -> list[str]:
    """The tables of the warehouse that aren't those of another one."""
    connection.execute(f"attach '{whole}' as everybody (read_only)")
    found = [
        name
        for schema, names in TABLES.items()
        for name in names
        if connection.execute(
            f"""
            (from {schema}.{name} except all from everybody.{schema}.{name})
            union all
            (from everybody.{schema}.{name} except all from {schema}.{name})
            """
        ).fetchone()
    ]
    connection.execute("detach everybody")
    return found


def main() -> None:
    """Print what differed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--towns", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--days", type=int, default=5)
    parser.add_argument("--people", type=int, default=80)
    chosen = parser.parse_args()
    judged = signals = increments = wrong = 0
    for seed in range(chosen.first, chosen.first + chosen.towns):
        town = Town(seed, people=chosen.people, signals=chosen.people * 3)
        with tempfile.TemporaryDirectory() as folder:
            for day, (report, different) in enumerate(
                compared(town, Path(folder), days=chosen.days)
            ):
                increments += not report.why_all
                judged += report.judged_signals if not report.why_all else 0
                signals += report.signals if not report.why_all else 0
                if different:
                    wrong += 1
                    print(f"town {seed}, day {day}: {', '.join(different)}", flush=True)  # noqa: T201
    print(  # noqa: T201
        f"{increments} increments judged {judged} of {signals} signals; in {wrong} a table differs"
    )
    raise SystemExit(wrong != 0)


if __name__ == "__main__":
    main()
