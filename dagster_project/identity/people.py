"""Whether the records of two registrations name the same person, or cannot.

Names are compared folded (accents and case gone) and with patience: a typo, an initial, a middle
name more or less, given and family name in each other's place. People share family names with
those they share phones with, so it is the given name, the birth date and the tax number that tell
two persons apart.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal

import duckdb
import numpy as np

from dagster_project.identity.arrow import Integers, integers, write_table
from dagster_project.identity.rules import Rules, one_of

# Letters that Unicode doesn't decompose into a base letter and an accent.
_WHOLE_LETTERS = ("łđøıħ", "ldoih")
# An identifier whose users are described in more ways than this isn't one person's. (Comparing each
# description with each other takes the square of their number.)
_MOST_DESCRIPTIONS = 50
# No name is longer; the comparison of two texts takes their lengths' product.
_LONGEST_NAME = 64
# How much names of so many letters have to resemble each other, by Jaro and Winkler.
_ALIKE, _LONG_NAME = 0.8, 4
# And how much if more of the birth date's ten characters differ than that.
_VERY_ALIKE, _MOST_SLIPS = 0.88, 3

# What ties persons: the word of one of them, an identifier that both use, or their likeness.
Tie = Literal["registration", "identifier", "likeness"]


def folded(column: str) -> str:
    """The SQL expression of a name as it is compared: null where nothing is left of it."""
    source, target = _WHOLE_LETTERS
    return (
        f"nullif(left(trim(regexp_replace(strip_accents(translate(lower({column}), "
        f"'{source}', '{target}')), '[^\\pL\\pN]+', ' ', 'g')), {_LONGEST_NAME}), '')"
    )


def write_people(connection: duckdb.DuckDBPyConnection, rules: Rules, *, signals: str) -> None:
    """Make _identity_descriptions and _identity_people: what records say of registered persons.

    The first has one row a signal and the registration that it describes: signal_no, node,
    given_name, family_name, birth_date, tax_id, is_nobody; the second each different description of
    a node once. A record speaks of its own subject: the ERP of its customer, the POS of its loyalty
    card, the web and the app of the account that was signed in; without that registration it says
    nothing here.
    """
    connection.execute(
        f"""
        create or replace temp table _identity_descriptions as
        with subjects as (
            select signal_no, given_name, family_name, birth_date,
                case source when 'erp' then 'erp_customer_id' when 'pos' then 'loyalty_id'
                    else 'user_id' end as subject_type
            from {signals}
            where coalesce(given_name, tax_id) is not null or birth_date is not null
        ),
        tax_ids as (
            select mention.signal_no, identifier.value as tax_id
            from _identity_mentions as mention
            join _identity_nodes as identifier using (node)
            where identifier.identifier_type = 'tax_id'
        ),
        described as (
            select subjects.signal_no, mention.node,
                {folded("subjects.given_name")} as given_name,
                {folded("subjects.family_name")} as family_name,
                case when list_contains($2::date[], birth_date) then null else birth_date
                end as birth_date,
                tax_ids.tax_id
            from subjects
            join _identity_mentions as mention using (signal_no)
            join _identity_nodes as identifier
                on identifier.node = mention.node
                and identifier.identifier_type = subjects.subject_type
            left join tax_ids on tax_ids.signal_no = subjects.signal_no
            where not mention.is_previous
                and (subjects.given_name is not null or subjects.birth_date is not null
                    or tax_ids.tax_id is not null)
        )
        select signal_no, node, tax_id, birth_date,
            regexp_full_match(concat_ws(' ', given_name, family_name), $3) as is_nobody,
            case when list_contains($1::varchar[], given_name) then null else given_name
                end as given_name,
            case when list_contains($1::varchar[], given_name) then null else family_name
                end as family_name
        from described
        """,
        [list(rules.blocked_names), list(rules.blocked_birth_dates), one_of(rules.nobody_names)],
    )
    connection.execute(
        """
        create or replace temp table _identity_people as
        select distinct node, given_name, family_name, birth_date, tax_id, is_nobody
        from _identity_descriptions
        """
    )


def nobodys(connection: duckdb.DuckDBPyConnection) -> Integers:
    """The registrations that are kept under a name for nobody."""
    query = "select distinct node from _identity_people where is_nobody order by node"
    return integers(connection, query)["node"]


def name_of_node(connection: duckdb.DuckDBPyConnection, node_count: int) -> Integers:
    """A number for each node's full name, equal for equal names; -1 where none is known."""
    names = np.full(node_count, -1, dtype=np.int64)
    rows = integers(
        connection,
        """
        with named as (
            select node, min(concat_ws(' ', given_name, family_name)) as name
            from _identity_people
            where given_name is not null and family_name is not null
            group by node
        )
        select node, dense_rank() over (order by name) - 1 as name from named
        """,
    )
    names[rows["node"]] = rows["name"]
    return names


def described_nodes(connection: duckdb.DuckDBPyConnection) -> Integers:
    """The nodes that _identity_people says something of."""
    query = "select distinct node from _identity_people order by node"
    return integers(connection, query)["node"]


def telling_apart(
    connection: duckdb.DuckDBPyConnection,
    touched: Integers,
    person: Integers,
    person_of_node: Integers,
    *,
    must_agree: bool,
) -> Integers:
    """Of the identifiers in `touched`, those whose persons aren't one by their records.

    `touched` and `person` are pairs: an identifier and a person it touches; `person_of_node` gives
    each node's person. With `must_agree`, a person nobody describes is enough to refuse.
    """
    if len(touched) == 0:
        return touched
    node = described_nodes(connection)
    is_described = np.zeros(len(person_of_node), dtype=np.bool_)
    is_described[person_of_node[node]] = True
    undescribed = touched[~is_described[person]] if must_agree else touched[:0]
    is_asked_for = np.zeros(len(person_of_node), dtype=np.bool_)
    is_asked_for[person] = True
    node = node[is_asked_for[person_of_node[node]]]
    write_table(connection, "_identity_described", {"node": node, "person": person_of_node[node]})
    write_table(connection, "_identity_touched", {"identifier": touched, "person": person})
    refused = f"not {_agrees('one', 'other')}" if must_agree else _contradicts("one", "other")
    # Two persons of exactly the same description agree, unless it lacks a name.
    refused_alone = "given_name is null or family_name is null" if must_agree else "false"
    found = integers(
        connection,
        f"""
        with said as (
            select identifier, given_name, family_name, birth_date, tax_id,
                min(touched.person) as least_person, max(touched.person) as greatest_person
            from _identity_touched as touched
            join _identity_described using (person)
            join _identity_people using (node)
            group by identifier, given_name, family_name, birth_date, tax_id
        ),
        babel as (
            select identifier from said
            group by identifier having count(*) > {_MOST_DESCRIPTIONS}
        )
        select one.identifier
        from said as one
        join said as other
            on one.identifier = other.identifier
            and least(one.least_person, other.least_person)
                < greatest(one.greatest_person, other.greatest_person)
            and (one.given_name, one.family_name, one.birth_date, one.tax_id)
                is distinct from
                (other.given_name, other.family_name, other.birth_date, other.tax_id)
        anti join babel on babel.identifier = one.identifier
        where {refused}
        union
        select identifier from said
        where least_person < greatest_person and ({refused_alone})
        union
        select identifier from babel
        """,
    )["identifier"]
    connection.execute("drop table _identity_described; drop table _identity_touched")
    return np.unique(np.concatenate([found, undescribed]))


def strangers(
    connection: duckdb.DuckDBPyConnection,
    touched: Integers,
    person: Integers,
    person_of_node: Integers,
    *,
    may_be_unknown: bool,
) -> Integers:
    """Of the identifiers in `touched`, those whose persons have nothing else to do with each other.

    `touched`, `person` and `person_of_node` are as in telling_apart. Their records contradict each
    other, and no two are of one family name; with `may_be_unknown`, it is enough that they don't
    agree.
    """
    node = described_nodes(connection)
    write_table(connection, "_identity_described", {"node": node, "person": person_of_node[node]})
    write_table(connection, "_identity_touched", {"identifier": touched, "person": person})
    apart = f"not {_agrees('one', 'other')}" if may_be_unknown else _contradicts("one", "other")
    found = integers(
        connection,
        f"""
        with said as (
            select distinct identifier, person, given_name, family_name, birth_date, tax_id
            from _identity_touched
            left join _identity_described using (person)
            left join _identity_people using (node)
            qualify count(*) over (partition by identifier) <= {_MOST_DESCRIPTIONS}
        ),
        pairs as (
            select one.identifier,
                bool_or({apart}) and not bool_or(coalesce({_family_similar("one", "other")}, false))
                    as are_strangers
            from said as one
            join said as other on one.identifier = other.identifier and one.person < other.person
            group by one.identifier, one.person, other.person
        )
        select identifier from pairs
        group by identifier having bool_and(are_strangers)
        """,
    )["identifier"]
    connection.execute("drop table _identity_described; drop table _identity_touched")
    return found


def contradictions(
    connection: duckdb.DuckDBPyConnection,
    described: Integers,
    before: Integers,
    after: Integers,
    *,
    tied_by: Tie,
) -> tuple[Integers, Integers]:
    """Pairs of persons (labels of `before`) that share a label of `after` and can't be one.

    `before` and `after` label every node; `described` are the nodes that can contradict. What ties
    one registration to another is a person's own word (a card number in an account): there a
    contradiction takes more than a nickname. Records that are merely alike are so in a family too:
    there a given name of its own is enough, unless birth date or tax number is the same; father and
    son may share even that, but neither of those.
    """
    moved = before[described] != after[described]
    grown = np.zeros(len(before), dtype=np.bool_)
    grown[after[described[moved]]] = True
    node = described[grown[after[described]]]
    if len(node) == 0:
        return node, node
    write_table(
        connection,
        "_identity_joined",
        {"node": node, "before": before[node], "after": after[node]},
    )
    refused = _CONTRADICTIONS[tied_by]("one", "other")
    pairs = integers(
        connection,
        f"""
        with said as (
            select "after", given_name, family_name, birth_date, tax_id,
                list(distinct "before") as persons
            from _identity_joined join _identity_people using (node)
            group by "after", given_name, family_name, birth_date, tax_id
        ),
        apart as (
            select one.persons as ones, other.persons as others
            from said as one
            join said as other
                on one."after" = other."after"
                and (one.given_name, one.family_name, one.birth_date, one.tax_id)
                    is distinct from
                    (other.given_name, other.family_name, other.birth_date, other.tax_id)
            where {refused}
        ),
        pairs as (
            select one, unnest(others) as other
            from (select unnest(ones) as one, others from apart) as unfolded
        )
        select distinct one, other from pairs where one < other order by one, other
        """,
    )
    connection.execute("drop table _identity_joined")
    return pairs["one"], pairs["other"]


def pairs_within(connection: duckdb.DuckDBPyConnection, person: Integers) -> dict[str, Integers]:
    """`pairs` of described registrations by `person`, and how many (`apart`) contradict each other.

    `person` labels every node, -1 where it has none. Of several descriptions of a registration, one
    that agrees is enough.
    """
    node = described_nodes(connection)
    node = node[person[node] >= 0]
    write_table(connection, "_identity_described", {"node": node, "person": person[node]})
    found = integers(
        connection,
        f"""
        with said as (
            select person, people.*
            from _identity_described join _identity_people as people using (node)
        ),
        pairs as (
            select one.person, bool_and({_contradicts("one", "other")}) as is_apart
            from said as one
            join said as other on one.person = other.person and one.node < other.node
            group by one.person, one.node, other.node
        )
        select person, count(*) as pairs, count(*) filter (is_apart) as apart
        from pairs group by person
        """,
    )
    connection.execute("drop table _identity_described")
    return found


def _same(one: str, other: str) -> str:
    """Null if either is unknown."""
    return (
        f"({one} = {other} or (length({one}) > 3 and length({other}) > 3"
        f" and damerau_levenshtein({one}, {other}) <= 1)"
        f" or list_has_any(string_split({one}, ' '), string_split({other}, ' ')))"
    )


def _similar(one: str, other: str) -> str:
    """The same, or one an initial or a short form of the other; null if either is unknown."""
    return f"({_same(one, other)} or starts_with({one}, {other}) or starts_with({other}, {one}))"


def _swapped(a: str, b: str) -> str:
    """Given and family name in each other's place."""
    return f"coalesce({a}.given_name = {b}.family_name and {a}.family_name = {b}.given_name, false)"


def _given_similar(a: str, b: str) -> str:
    """The given name is similar, and not a brother's and a sister's."""
    one, other = f"{a}.given_name", f"{b}.given_name"
    return f"(({_similar(one, other)} and not {_siblings(one, other)}) or {_swapped(a, b)})"


def _siblings(one: str, other: str) -> str:
    """Whether two given names differ in the ending of a man's and a woman's: Luis and Luisa."""
    return (
        f"(abs(length({one}) - length({other})) <= 1 and {_ending_apart(one, other)}"
        f" and least(length({one}), length({other})) >= {_LONG_NAME})"
    )


def _ending_apart(one: str, other: str) -> str:
    stem = f"least(length({one}), length({other})) - 2"
    return (
        f"(left({one}, {stem}) = left({other}, {stem})"
        f" and (right({one}, 1) in ('a', 'e')) <> (right({other}, 1) in ('a', 'e')))"
    )


def _family_similar(a: str, b: str) -> str:
    return f"({_similar(f'{a}.family_name', f'{b}.family_name')} or {_swapped(a, b)})"


def _names_similar(a: str, b: str) -> str:
    return f"coalesce({_given_similar(a, b)} and {_family_similar(a, b)}, false)"


def _born_apart(a: str, b: str) -> str:
    """Different dates, unless one is the other with a digit mistaken or day and month swapped."""
    one, other = f"{a}.birth_date", f"{b}.birth_date"
    return (
        f"coalesce({one} <> {other}"
        f" and damerau_levenshtein({one}::varchar, {other}::varchar) > 1"
        f" and not (year({one}) = year({other}) and month({one}) = day({other})"
        f" and day({one}) = month({other})), false)"
    )


def _born_far_apart(a: str, b: str) -> str:
    """Dates that no slips of a pen make one."""
    dates = f"{a}.birth_date::varchar, {b}.birth_date::varchar"
    return f"coalesce(damerau_levenshtein({dates}) > {_MOST_SLIPS}, false)"


def _taxed_apart(a: str, b: str) -> str:
    return f"coalesce(damerau_levenshtein({a}.tax_id, {b}.tax_id) > 1, false)"


def _contradicts(a: str, b: str) -> str:
    born_together = f"coalesce({a}.birth_date = {b}.birth_date, false)"
    given_apart = f"coalesce(not {_given_similar(a, b)}, false)"
    family_similar = f"coalesce({_family_similar(a, b)}, false)"
    # Who marries keeps the given name as it was: Andreia Lima is no André Costa.
    given_same = _same(f"{a}.given_name", f"{b}.given_name")
    named_apart = f"coalesce(not {_family_similar(a, b)} and not {given_same}, false)"
    return (
        f"({_born_apart(a, b)}"
        f" or ({_taxed_apart(a, b)} and not ({born_together} and {_names_similar(a, b)}))"
        f" or ({given_apart} and not ({born_together} and {family_similar}))"
        f" or ({named_apart} and not {born_together}))"
    )


def _contradicts_firmly(a: str, b: str) -> str:
    given_apart = f"coalesce(not {_given_similar(a, b)}, false)"
    family_apart = f"coalesce(not {_family_similar(a, b)}, false)"
    born_together = f"coalesce({a}.birth_date = {b}.birth_date, false)"
    return (
        f"((({_born_apart(a, b)}) or {_taxed_apart(a, b)}) and not {_names_similar(a, b)}"
        f" or ({given_apart} and {family_apart} and not {born_together}))"
    )


def _relatives(a: str, b: str) -> str:
    """Whether records that are alike may be of two people who live together, by all that is `said`.

    They are one person's with the same given name; else only with a birth date or a tax number in
    common. With quite another birth date they are two people's if the given name merely resembles
    (Lucas and Luisa), and with another tax number too, whatever the name.
    """
    named_apart = f"not coalesce({_given_resembles(a, b)}, true)"
    apart = f"{_born_apart(a, b)} and {_taxed_apart(a, b)}"
    merely_resembling = f"not coalesce({_given_very_alike(a, b)}, true)"
    return f"""(
        {merely_resembling} and {_born_far_apart(a, b)} and not {_taxed_together(a, b)}
            and not {_vouched(a, b, _given_very_alike)}
        or {named_apart} and not {_born_on_one_day(a, b)} and not {_taxed_together(a, b)}
            and not {_vouched(a, b, _given_resembles)}
        or {apart} and not {_vouched(a, b, _taxed_together)}
    )"""


def _vouched(a: str, b: str, same: Callable[[str, str], str]) -> str:
    """Whether a third record has what one lacks: the birth date of this, the `same` as that."""
    return f"""exists (
        select * from said as third
        where third."after" = {a}."after" and (
            ({_born_together("third", b)} and {same("third", a)}
                and {_described_apart("third", a)})
            or ({_born_together("third", a)} and {same("third", b)}
                and {_described_apart("third", b)})
        ))"""


def _described_apart(a: str, b: str) -> str:
    names = ("given_name", "family_name", "birth_date", "tax_id")
    one, other = (", ".join(f"{side}.{name}" for name in names) for side in (a, b))
    return f"({one}) is distinct from ({other})"


def _given_resembles(a: str, b: str, least: float = _ALIKE) -> str:
    given, family = "given_name", "family_name"
    resembles = partial(_resembles, least=least)
    swapped = f"({resembles(a, given, b, family)} and {resembles(a, family, b, given)})"
    return f"({resembles(a, given, b, given)} or {swapped})"


def _given_very_alike(a: str, b: str) -> str:
    return _given_resembles(a, b, _VERY_ALIKE)


def _resembles(a: str, column: str, b: str, other_column: str, *, least: float) -> str:
    """One name, but for a typo or a middle name.

    Those of a brother and a sister, or a couple, often differ in the ending alone (Gabriel and
    Gabriela, Maria and Marin), or are short (Ana and Anca).
    """
    one, other = f"{a}.{column}", f"{b}.{other_column}"
    shorter = f"least(length({one}), length({other}))"
    return (
        f"(list_has_any(string_split({one}, ' '), string_split({other}, ' '))"
        f" or ({shorter} >= {_LONG_NAME} and not {_ending_apart(one, other)}"
        f" and jaro_winkler_similarity({one}, {other}) >= {least}))"
    )


def _taxed_together(a: str, b: str) -> str:
    return f"coalesce({a}.tax_id = {b}.tax_id, false)"


def _born_together(a: str, b: str) -> str:
    """The same date, or one with a digit mistaken."""
    is_known = f"{a}.birth_date is not null and {b}.birth_date is not null"
    return f"({is_known} and not {_born_apart(a, b)})"


def _born_on_one_day(a: str, b: str) -> str:
    return f"coalesce({a}.birth_date = {b}.birth_date, false)"


def _agrees(a: str, b: str) -> str:
    return f"({_names_similar(a, b)} and not {_contradicts(a, b)})"


_CONTRADICTIONS: dict[Tie, Callable[[str, str], str]] = {
    "registration": _contradicts_firmly,
    "identifier": _contradicts,
    "likeness": _relatives,
}
