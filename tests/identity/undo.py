"""A steward's decisions taken back: every person as if they had never been made, channels too.

python -m tests.identity.undo --merges 1000

A sample world is built and delivered. Then pairs of people who have nothing to do with each other
are made one by must_link rows, in another build people are taken apart by cannot_link rows, and
each time the rows are taken out again. Every build is a `perennial run` at the same as_of, every
delivery a `perennial publish` to files and to a receiver.
"""

import argparse
import csv
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from dagster_project.channels.receiver import LocalReceiver
from sources.sample import write_world
from tests.e2e.house import AS_OF, House

SECRET = "a secret of the test"
_COLUMNS = ("kind", "from_type", "from_value", "to_type", "to_value")
# What is told of the decisions themselves: the id of who was kept apart for a day leads on.
_TOLD = (
    "marts.identity_history",
    "marts.identity_redirects",
    "identity.history",
    "identity.redirects",
    "identity.measures",
)
Pair = tuple[str, str, str, str]


@dataclass
class Undone:
    """What was decided and taken back; all but the first two should be nought.

    `unmerged`: pairs that aren't one person, under the older's id, to whom the other's id leads;
    `former_held`: memberships of ids that were given up, in the receiver or the ledger;
    `tables`: those that aren't row for row as before; `memberships`: those that aren't.
    """

    decisions: int
    people_changed: int
    unmerged: int = 0
    former_held: int = 0
    tables: list[str] = field(default_factory=list)
    memberships: int = 0

    @property
    def wrong(self) -> int:
        """What may not be."""
        return self.unmerged + self.former_held + len(self.tables) + self.memberships


@dataclass
class Shop:
    """A house with a receiver that its audiences go to."""

    house: House
    receiver: LocalReceiver

    def build(self) -> None:
        """Run, whatever identity's measures say: a thousand decisions at once are meant."""
        self.house.succeed("run", "--accept-identity")

    def deliver(self) -> None:
        """Deliver, however many leave."""
        self.house.succeed(
            "publish",
            "--approve",
            PERENNIAL_WEBHOOK_URL=self.receiver.url,
            PERENNIAL_WEBHOOK_SECRET=SECRET,
            PERENNIAL_WEBHOOK_ALLOWED_HOSTS="127.0.0.1",
        )

    def decide(self, kind: str, pairs: Iterable[Pair]) -> None:
        """Write the overrides, and no others."""
        path = self.house.data / "identity" / "overrides.csv"
        path.parent.mkdir(exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([_COLUMNS, *((kind, *pair) for pair in pairs)])

    def content(self) -> dict[str, tuple[int, str]]:
        """Rows and a hash of each table of the build, but for what is told of the decisions."""
        with duckdb.connect(str(self.house.data / "warehouse.duckdb"), read_only=True) as built:
            built.execute("set TimeZone = 'UTC'")
            tables = built.execute(
                """
                select schema_name || '.' || table_name from duckdb_tables()
                where schema_name in
                    ('identity', 'intermediate', 'prediction', 'calendar', 'marts', 'audiences')
                """
            ).fetchall()
            found = {}
            for (table,) in tables:
                hashed = f"select count(*), sum(hash(t)::hugeint)::varchar from {table} t"
                found[table] = built.execute(hashed).fetchall()[0]
        return {table: rows for table, rows in found.items() if table not in _TOLD}

    def memberships(self) -> set[tuple[str, ...]]:
        """Who is where: by the ledger, with what was sent, and by the receiver's own list."""
        with duckdb.connect(str(self.house.data / "ledger.duckdb"), read_only=True) as ledger:
            told = ledger.execute(
                "select audience, channel, profile_id, fingerprint from membership"
            ).fetchall()
        held = (
            (audience, "receiver", profile_id, "")
            for audience, members in self.receiver.members.items()
            for profile_id in members
        )
        return {*told, *held}

    def strangers(self, merges: int) -> list[Pair]:
        """Pairs of different people, each by any identifier; nobody is in two pairs."""
        return self._pairs(
            f"""
            with people as (
                select profile_id,
                    arg_min({{'t': identifier_type, 'v': identifier_value}},
                        hash(identifier_value)) as known_by,
                    row_number() over (order by hash(profile_id)) - 1 as place
                from marts.customer_identifiers
                where not is_demoted
                group by profile_id
            )
            select one.known_by.t, one.known_by.v, other.known_by.t, other.known_by.v
            from people as one join people as other on other.place = one.place + 1
            where one.place % 2 = 0 and one.place < {2 * merges}
            """
        )

    def one_and_the_same(self, splits: int) -> list[Pair]:
        """Two registrations each of people who have them."""
        return self._pairs(
            f"""
            select one.identifier_type, one.identifier_value, other.identifier_type,
                other.identifier_value
            from marts.customer_identifiers as one
            join marts.customer_identifiers as other using (profile_id)
            where one.identifier_type = 'erp_customer_id' and other.identifier_type = 'loyalty_id'
                and not one.is_demoted and not other.is_demoted
            qualify row_number() over (partition by profile_id order by one.identifier_value,
                other.identifier_value) = 1
            order by hash(profile_id)
            limit {splits}
            """
        )

    def _pairs(self, query: str) -> list[Pair]:
        return self.house.query(query)  # type: ignore[return-value]

    def holders(self) -> dict[tuple[str, str], str]:
        """The person of each identifier that joins."""
        rows = self.house.query(
            "select identifier_type, identifier_value, profile_id "
            "from marts.customer_identifiers where not is_demoted"
        )
        return {(kind, value): profile_id for kind, value, profile_id in rows}


def merge_and_undo(shop: Shop, merges: int) -> Undone:
    """Make pairs of strangers one, deliver, take it back, deliver."""
    calm, members = shop.content(), shop.memberships()
    pairs, holders = shop.strangers(merges), shop.holders()
    age = dict(shop.house.query("select profile_id, first_seen_at from marts.customer_profiles"))
    shop.decide("must_link", pairs)
    shop.build()
    shop.deliver()
    merged = shop.holders()
    redirects = dict(
        shop.house.query("select former_profile_id, profile_id from marts.identity_redirects")
    )
    undone = Undone(len(pairs), 0)
    gone = set()
    for pair in pairs:
        one, other = holders[pair[:2]], holders[pair[2:]]
        survivor = merged[pair[:2]]
        former = other if survivor == one else one
        gone.add(former)
        undone.unmerged += not (
            {survivor} == {merged[pair[2:]]} & {one, other}
            and age[survivor] <= age[former]
            and redirects.get(former) == survivor
        )
    undone.people_changed = len({*holders.values()} ^ {*merged.values()})
    undone.former_held = sum(held[2] in gone for held in shop.memberships())
    return _taken_back(shop, undone, calm, members)


def split_and_undo(shop: Shop, splits: int) -> Undone:
    """Take people apart who are one, deliver, take it back, deliver."""
    calm, members = shop.content(), shop.memberships()
    pairs, holders = shop.one_and_the_same(splits), shop.holders()
    shop.decide("cannot_link", pairs)
    shop.build()
    shop.deliver()
    split = shop.holders()
    undone = Undone(len(pairs), len({*holders.values()} ^ {*split.values()}))
    undone.unmerged = sum(split[pair[:2]] == split[pair[2:]] for pair in pairs)
    return _taken_back(shop, undone, calm, members)


def _taken_back(
    shop: Shop,
    undone: Undone,
    calm: dict[str, tuple[int, str]],
    members: set[tuple[str, ...]],
) -> Undone:
    shop.decide("must_link", [])
    shop.build()
    shop.deliver()
    content = shop.content()
    names = sorted(calm.keys() | content.keys())
    undone.tables = [name for name in names if calm.get(name) != content.get(name)]
    undone.memberships = len(members ^ shop.memberships())
    return undone


def main() -> None:
    """Print what was left of the decisions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--merges", type=int, default=1_000)
    parser.add_argument("--splits", type=int, default=300)
    parser.add_argument("--customers", type=int, default=1_500)
    chosen = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, LocalReceiver(SECRET) as receiver:
        house = House(Path(folder) / "data")
        write_world(
            house.data, customers=chosen.customers, seed=7, as_of=AS_OF, lines_per_receipt=2
        )
        shop = Shop(house, receiver)
        shop.build()
        shop.deliver()
        wrong = 0
        for undone in (merge_and_undo(shop, chosen.merges), split_and_undo(shop, chosen.splits)):
            wrong += undone.wrong
            print(f"{undone}; {time.monotonic() - began:.0f} s", flush=True)  # noqa: T201
    raise SystemExit(wrong != 0)


if __name__ == "__main__":
    main()
