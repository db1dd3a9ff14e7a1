"""Who lives together: households, a level above persons that never makes two of them one.

Two persons are of one household if two of these agree: address, e-mail, phone, family name. One
alone doesn't do: neighbours share the address of a block of flats, colleagues an office's e-mail,
strangers a recycled phone, and a whole town a family name. What more persons share than the limit
(a pick-up point, the shop's own address) ties nobody.

A person lives at the address of their newest record that has one. Only persons whose records name
them are looked at: a browser that knows a family's e-mail isn't one more of them.
"""

import duckdb
import numpy as np

from dagster_project.identity.arrow import integers, write_table
from dagster_project.identity.components import component_labels
from dagster_project.identity.demotion import CONTRADICTION, UNCONFIRMED
from dagster_project.identity.ids import salted_id
from dagster_project.identity.people import folded
from dagster_project.identity.rules import Rules, one_of

# Shorter words of a family name are its "de", "dos" or "van".
_SHORTEST_WORD = 4


def write_residents(connection: duckdb.DuckDBPyConnection, rules: Rules) -> None:
    """Write identity_state.residents: profile_id, family_names, address (null where none is known).

    Grain: one row a person whose records name them.
    """
    connection.execute(
        f"""
        create or replace table identity_state.residents as
        with said as (
            select members.profile_id, people.family_name, signals.signal_id, signals.last_seen_at,
                array_to_string(list_sort(string_split({folded("signals.street_address")}, ' ')),
                    ' ') as street,
                coalesce(replace({folded("signals.postal_code")}, ' ', ''),
                    {folded("signals.city")}) as place,
                regexp_full_match(lower(trim(signals.street_address)), $1) as is_nowhere
            from _identity_descriptions as people
            join _identity_members as members using (node)
            join _identity_signals as signals using (signal_no)
            where not people.is_nobody and people.family_name is not null
        )
        select profile_id, list(distinct family_name order by family_name) as family_names,
            arg_max(
                street || ', ' || place,
                {{'at': coalesce(last_seen_at, '-infinity'), 'id': signal_id}}
            ) filter (where not is_nowhere) as address
        from said
        group by profile_id
        """,
        [one_of(rules.blocked)],
    )


def write_households(connection: duckdb.DuckDBPyConnection, rules: Rules, *, salt: str) -> None:
    """Write identity.household_members and identity.household_links.

    A household's id is a salted hash of the profile_id of its oldest member: who joins or leaves it
    later changes nothing. Needs identity_state.residents and what write_tables writes.
    """
    _write_shared(connection)
    _write_ties(connection, rules)
    _write_homes(connection)
    connection.execute(
        f"""
        create or replace table identity.household_members as
        with homes as (
            select home, arg_min(
                profile_id, {{'at': coalesce(first_seen_at, 'infinity'), 'id': profile_id}}
            ) as oldest_profile_id
            from _identity_homes join identity.profiles using (profile_id)
            group by home
            having count(*) <= {rules.household_member_limit}
        )
        select {salted_id("h", "'household'", "oldest_profile_id")} as household_id, profile_id
        from _identity_homes join homes using (home)
        """,
        [salt],
    )
    connection.execute(
        """
        create or replace table identity.household_links as
        select members.household_id, ties.one as from_profile_id, ties.other as to_profile_id,
            ties.rule, ties.value, ties.is_one_name
        from _identity_home_ties as ties
        join identity.household_members as members on members.profile_id = ties.one
        """
    )


def _write_shared(connection: duckdb.DuckDBPyConnection) -> None:
    """_identity_shared: one row a person and an address, e-mail or phone that others may share.

    Of the contacts only those that joined nobody because their users are different persons.
    """
    connection.execute(
        """
        create or replace temp table _identity_shared as
        select 'address' as rule, address as value, profile_id
        from identity_state.residents
        where address is not null
        union all
        select distinct used.identifier_type, used.identifier_value, used.profile_id
        from identity.identifiers as used
        join identity.demoted as demoted using (identifier_type, identifier_value)
        join identity_state.residents using (profile_id)
        where used.identifier_type in ('email', 'phone') and demoted.reason in ($1, $2)
        """,
        [CONTRADICTION, UNCONFIRMED],
    )


def _write_ties(connection: duckdb.DuckDBPyConnection, rules: Rules) -> None:
    """_identity_home_ties: one row a pair of persons of one household and a value they share."""
    connection.execute(
        f"""
        create or replace temp table _identity_home_ties as
        with shared as (
            from _identity_shared
            qualify count(*) over (partition by rule, value) <= {rules.household_person_limit}
        ),
        pairs as (
            select shared.rule, shared.value, shared.profile_id as one, other.profile_id as other
            from shared
            join shared as other
                on other.rule = shared.rule and other.value = shared.value
                and other.profile_id > shared.profile_id
        ),
        names as (
            select profile_id, unnest(family_names) as name from identity_state.residents
        ),
        named as (
            select pairs.rule, pairs.value, pairs.one, pairs.other,
                bool_or({_one_name("ones.name", "others.name")}) as is_one_name
            from pairs
            join names as ones on ones.profile_id = pairs.one
            join names as others on others.profile_id = pairs.other
            group by all
        )
        from named
        qualify is_one_name or count(distinct rule) over (partition by one, other) > 1
        """
    )


def _one_name(name: str, other: str) -> str:
    """Whether two folded family names are a family's: one letter apart (a wife's, a daughter's) or
    a word in common."""
    words = f"list_filter(string_split({name}, ' '), lambda w: length(w) >= {_SHORTEST_WORD})"
    return (
        f"({name} = {other} or list_has_any({words}, string_split({other}, ' '))"
        f" or (length({name}) > {_SHORTEST_WORD} and damerau_levenshtein({name}, {other}) <= 1))"
    )


def _write_homes(connection: duckdb.DuckDBPyConnection) -> None:
    """_identity_homes: one row a person whom a tie holds: profile_id, home (a number)."""
    connection.execute(
        """
        create or replace temp table _identity_tied as
        select profile_id, row_number() over (order by profile_id) - 1 as person
        from (select one from _identity_home_ties union select other from _identity_home_ties)
            as tied (profile_id)
        """
    )
    ties = integers(
        connection,
        """
        select ones.person as one, others.person as other
        from _identity_home_ties as ties
        join _identity_tied as ones on ones.profile_id = ties.one
        join _identity_tied as others on others.profile_id = ties.other
        """,
    )
    count = int(ties["other"].max(initial=-1)) + 1
    home = component_labels(count, ties["one"], ties["other"])
    write_table(
        connection, "_identity_labels", {"person": np.arange(count, dtype=np.int64), "home": home}
    )
    connection.execute(
        """
        create or replace temp table _identity_homes as
        select profile_id, home from _identity_tied join _identity_labels using (person)
        """
    )
