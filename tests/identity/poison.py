"""Poison in a world of a million: a wrong record joins two at most, a default value nobody.

python -m tests.identity.poison --records 1000000

Of each kind, one record that carries the identifiers of two people is added to a resolved world,
which is resolved again: one pair of profiles may have become one, and nothing of anybody else may
have changed. Then one value is put on ten thousand records of as many people: nobody may be joined.
"""

import argparse
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass

from dagster_project.identity import resolve
from tests.identity.identity_world import AS_OF, warehouse

_RECORDS_A_PERSON = 7.3
_UNNAMED = 4  # of every so many people, one whose records say no name
# Poison comes late, as everything that is wrong does once there is something to harm.
_LATE = "timestamptz '2026-02-01 00:00:00+00'"
_ANY_TIME = "timestamptz '2025-01-01 00:00:00+00' + to_minutes((hash(p, h) % 500000)::integer)"
_SIGNALS = "staging.stg_identity__signals"

# One row a person: what their records may carry.
_PEOPLE = """
create temp table people as
select p, hash(p, 'seed') as h, 'C' || p as erp_customer_id, 'L' || p as loyalty_id,
    'u' || p as user_id, 'b' || p as anonymous_id, 'd' || p as device_id, 'k' || p as payment_card,
    'e' || p || '@example.com' as email, '+4072' || lpad((p % 10000000)::varchar, 7, '0') as phone,
    (1000000000000 + p * 7919)::varchar as tax_id,
    list_extract(['Ana', 'Ion', 'Maria', 'Andrei', 'Elena', 'Vlad', 'Ioana', 'Radu', 'Carmen',
        'Mihai', 'Sorina', 'Paul', 'Teodora', 'Bogdan', 'Lucia', 'Horia'], 1 + (h % 16)::integer)
        as given_name,
    list_extract(['Pop', 'Mun', 'Bal', 'Dobr', 'Vasil', 'Stan', 'Gher', 'Lup', 'Tran', 'Orz'],
        1 + (h // 16 % 10)::integer)
    || list_extract(['escu', 'teanu', 'aru', 'ovici', 'ean', 'iu', 'oiu', 'ache', 'ila', 'uta'],
        1 + (h // 160 % 10)::integer)
    || list_extract(['', '-Negru', '-Marin', '-Sava', '-Rusu', '-Toma', '-Dinu', '-Preda'],
        1 + (h // 1600 % 8)::integer) as family_name,
    date '1940-01-01' + (h // 12800 % 25000)::integer as birth_date,
    'Strada ' || (h // 7 % 5000) || ' nr. ' || (h // 35 % 90) as street_address,
    lpad((h // 11 % 90000)::varchar, 6, '0') as postal_code
from range({people}) as numbers (p);
update people set given_name = null, family_name = null, birth_date = null, street_address = null,
    postal_code = null, tax_id = null
where p % {unnamed} = 0
"""
_NAMED = ("given_name", "family_name", "birth_date", "street_address", "postal_code")
# A record: its source, the share of people who have it in percent, what it carries.
_KINDS = {
    "customer": ("erp", 75, ("erp_customer_id", "email", "phone", "tax_id", *_NAMED)),
    "online customer": ("erp", 30, ("erp_customer_id", "user_id", "email", *_NAMED)),
    "order": ("erp", 75, ("erp_customer_id",)),
    "member": ("pos", 70, ("loyalty_id", "email", "phone", *_NAMED)),
    "receipt": ("pos", 70, ("loyalty_id", "payment_card")),
    "receipt by card": ("pos", 70, ("payment_card",)),
    "sign-in": ("web", 70, ("user_id", "anonymous_id", "email")),
    "visit": ("web", 90, ("anonymous_id",)),
    "second browser": ("web", 40, ("'c' || p as anonymous_id", "user_id")),
    "app": ("app", 40, ("user_id", "device_id")),
    "app before sign-in": ("app", 40, ("device_id",)),
    "family browser": ("web", 20, ("'family' || p // 4 as anonymous_id", "user_id")),
    "family e-mail": ("pos", 5, ("loyalty_id", "'f' || p // 3 || '@example.com' as email")),
    "shop tablet": ("app", 10, ("'tablet' as device_id", "user_id")),
    "default card": ("pos", 10, ("'L-nobody' as loyalty_id", "payment_card")),
    "guest visit": ("web", 60, ("'g' || p as anonymous_id",)),
    "guest receipt": ("pos", 60, ("'q' || p as payment_card",)),
}

# Who has all of these can be poisoned in every way.
_FULL_KINDS = ("customer", "member", "receipt", "sign-in", "visit", "app")
_FULL = ", ".join(f"p || ' {kind}'" for kind in _FULL_KINDS)

# One record with identifiers of `one` and `other`: its source, and whose is what.
POISONS = {
    "a receipt with another's payment card": ("pos", "one.loyalty_id, other.payment_card"),
    "a receipt with another's e-mail": ("pos", "one.loyalty_id, other.email"),
    "a sign-in on another's browser": ("web", "one.user_id, other.anonymous_id"),
    "a sign-in on another's telephone": ("app", "one.user_id, other.device_id"),
    "a sign-in with another's e-mail": ("web", "one.user_id, one.anonymous_id, other.email"),
    "a newsletter form in another's name": ("web", "one.anonymous_id, other.email"),
    "a customer with another's loyalty card": (
        "erp",
        "one.erp_customer_id, one.given_name, one.family_name, one.birth_date, other.loyalty_id",
    ),
    "a customer with another's account": ("erp", "one.erp_customer_id, other.user_id"),
    "a member with another's e-mail and phone": (
        "pos",
        "one.loyalty_id, one.given_name, one.family_name, one.birth_date, other.email, other.phone",
    ),
    "a member with another's tax number": ("pos", "one.loyalty_id, other.tax_id"),
    "an account with another's loyalty card": ("web", "one.user_id, other.loyalty_id"),
    "an alias of another's account": ("web", "one.user_id, other.user_id as previous_id"),
    "an alias of another's browser": ("web", "one.user_id, other.anonymous_id as previous_id"),
    "a customer with all that another has": (
        "erp",
        "one.erp_customer_id, one.email, other.phone, other.loyalty_id, other.user_id, "
        "other.payment_card, other.tax_id",
    ),
}

# One value on many records, each of another person: its source, what the records carry.
POPULAR = {
    "an e-mail on members": ("pos", "loyalty_id, 'shop0@example.com' as email"),
    "an e-mail on accounts": ("web", "user_id, 'shop1@example.com' as email"),
    "an e-mail on receipts by card": ("pos", "payment_card, 'shop2@example.com' as email"),
    "an e-mail on browsers": ("web", "anonymous_id, 'shop3@example.com' as email"),
    "an e-mail on guests' receipts": (
        "pos",
        "'q' || p as payment_card, 'shop4@example.com' as email",
    ),
    "an e-mail on guests' browsers": (
        "web",
        "'g' || p as anonymous_id, 'shop5@example.com' as email",
    ),
    "a phone on customers": ("erp", "erp_customer_id, '+40721999880' as phone"),
    "a phone on receipts by card": ("pos", "payment_card, '+40721999881' as phone"),
    "a tax number on customers": ("erp", "erp_customer_id, '555666777888' as tax_id"),
    "a payment card on loyalty cards": ("pos", "loyalty_id, 'gift-card' as payment_card"),
    "a browser on accounts": ("web", "user_id, 'kiosk' as anonymous_id"),
    "a phone on guests' receipts": ("pos", "'q' || p as payment_card, '+40721999882' as phone"),
    "a telephone on accounts": ("app", "user_id, 'loan-0' as device_id"),
    "a telephone on browsers": ("app", "anonymous_id, 'loan-1' as device_id"),
    "an account on browsers": ("web", "anonymous_id, 'u-template-0' as user_id"),
    "an account on guests' browsers": (
        "web",
        "'g' || p as anonymous_id, 'u-template-1' as user_id",
    ),
    "a loyalty card on payment cards": ("pos", "payment_card, 'L-default' as loyalty_id"),
    "a customer with everybody's e-mails": ("erp", "email, 'C-default' as erp_customer_id"),
}


@dataclass(frozen=True)
class Harm:
    """What a poison came to. `joined`: former profiles that now share one with another, of which
    `most_joined` share the same.

    `outsiders`: of everybody but the two in the poison, records that are another profile's now and
    identifiers that were won or lost.
    """

    joined: int
    most_joined: int
    outsiders: int
    seconds: float


class Town:
    """A resolved world of many people, to be poisoned by one thing at a time."""

    def __init__(self, records: int) -> None:
        self.connection = warehouse([])
        self._fill(round(records / _RECORDS_A_PERSON))
        self.records = self._one(f"select count(*) from {_SIGNALS}")
        self.seconds = self._resolve()
        self.profiles = self._one("select count(*) from identity.profiles")
        self.connection.execute(
            f"""
            create temp table before as
            select signal_id, split_part(signal_id, ' ', 1)::bigint as p, profile_id
            from identity.resolved;
            create temp table identifiers_before as
            select profile_id, identifier_type, identifier_value from identity.identifiers;
            -- people whose records are all in one profile, which is nobody else's
            create temp table whole as
            select p, any_value(profile_id) as profile_id, p % {_UNNAMED} = 0 as is_unnamed,
                count(*) filter (signal_id in ({_FULL})) = {len(_FULL_KINDS)} as is_full
            from before
            where signal_id not like '% guest %'
            group by p
            having count(distinct profile_id) = 1 and bool_and(profile_id is not null);
            delete from whole where profile_id in (
                select profile_id from before group by profile_id having count(distinct p) > 1
            )
            """
        )

    def poisoned(self, *kinds: str, unnamed: bool) -> Harm:
        """Resolve with one more record of each kind, each of two people of its own.

        `unnamed`: no record says who these people are.
        """
        self.connection.execute(
            f"""
            create or replace temp table chosen as
            select p, profile_id, row_number() over (order by hash(p, {len(kinds[0])})) - 1 as place
            from whole where is_full and is_unnamed = {unnamed}
            qualify place < {2 * len(kinds)}
            """
        )
        records = []
        for number, kind in enumerate(kinds):
            source, carried = POISONS[kind]
            stamped = _stamped(source, f"'poison {number}'", carried)
            records.append(
                f"""
                select {stamped} from people as one, people as other
                where one.p = (select p from chosen where place = {2 * number})
                    and other.p = (select p from chosen where place = {2 * number + 1})
                """
            )
        return self._harm(records, "select profile_id from chosen")

    def flooded(self, *kinds: str, people: int) -> Harm:
        """Resolve with the value of each kind on a record of each of so many people."""
        records = []
        for number, kind in enumerate(kinds):
            source, carried = POPULAR[kind]
            stamped = _stamped(source, f"'poison {number} ' || p", carried)
            records.append(f"select {stamped} from people where p < {people}")
        return self._harm(records, "select null::varchar where false")

    def _fill(self, people: int) -> None:
        self.connection.execute(_PEOPLE.format(people=people, unnamed=_UNNAMED))
        for name, (source, share, carried) in _KINDS.items():
            records = _stamped(source, f"p || ' {name}'", ", ".join(carried), _ANY_TIME)
            self.connection.execute(
                f"""
                insert into {_SIGNALS} by name
                select {records}
                from people where hash(p, '{name}') % 100 < {share}
                """
            )

    def _resolve(self) -> float:
        began = time.monotonic()
        resolve(self.connection, as_of=AS_OF, default_country="RO", salt="a salt", previous=None)
        return time.monotonic() - began

    def _harm(self, poison: list[str], concerned: str) -> Harm:
        """`concerned` selects the profiles that the poison itself names."""
        for record in poison:
            self.connection.execute(f"insert into {_SIGNALS} by name {record}")
        seconds = self._resolve()
        self.connection.execute(f"delete from {_SIGNALS} where signal_id like 'poison%'")
        groups = """
            from (
                select count(distinct before.profile_id) as former
                from before join identity.resolved as after using (signal_id)
                where after.profile_id is not null
                group by after.profile_id
                having former > 1
            )
        """
        joined = self._one(f"select coalesce(sum(former), 0) {groups}")
        most_joined = self._one(f"select coalesce(max(former), 0) {groups}")
        moved = self._one(
            f"""
            select count(*) from before join identity.resolved as after using (signal_id)
            where after.profile_id is distinct from before.profile_id
                and before.profile_id not in ({concerned})
            """
        )
        # A default value is nobody's own: that it was taken from or given to somebody is no harm.
        after = """
            select profile_id, identifier_type, identifier_value from identity.identifiers
            where identifier_value in (select identifier_value from identifiers_before)
                and profile_id in (select profile_id from before)
        """
        changed = self._one(
            f"""
            select count(*) from (
                (from identifiers_before except {after})
                union all
                ({after} except from identifiers_before)
            )
            where profile_id not in ({concerned})
            """
        )
        return Harm(joined, most_joined, moved + changed, seconds)

    def _one(self, query: str) -> int:
        [(found,)] = self.connection.execute(query).fetchall()
        return int(found)


def _stamped(source: str, signal_id: str, carried: str, moment: str = _LATE) -> str:
    return f"""
        {signal_id} as signal_id, '{source}' as source, '{source}_records' as source_table,
        {carried}, {moment} as first_seen_at, {moment} as last_seen_at, 1 as record_count
    """


def measure(town: Town, people: int) -> Iterator[tuple[str, int, Harm]]:
    """Name, allowed joins and harm of each poison, then of each value of many."""
    for kind in POISONS:
        yield kind, 2, town.poisoned(kind, unnamed=False)
        yield f"{kind}, nobody named", 2, town.poisoned(kind, unnamed=True)
    for kind in POPULAR:
        yield f"{kind}, {people} times", 0, town.flooded(kind, people=people)


def main() -> None:
    """Print what each poison came to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--people", type=int, default=10_000, help="with one value in common")
    chosen = parser.parse_args()
    town = Town(chosen.records)
    print(f"{town.records} records, {town.profiles} profiles: {town.seconds:.0f} s", flush=True)  # noqa: T201
    wrong = 0
    for name, allowed, harm in measure(town, chosen.people):
        wrong += harm.joined > allowed or harm.outsiders > 0
        print(  # noqa: T201 - a script's result
            f"{name}: {harm.joined} profiles joined, {harm.outsiders} changes to others; "
            f"{harm.seconds:.0f} s",
            flush=True,
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"{wrong} poisons did more harm than they may; peak memory {peak:.1f} GiB")  # noqa: T201
    raise SystemExit(wrong != 0)


if __name__ == "__main__":
    main()
