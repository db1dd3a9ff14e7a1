"""Registrations that share no key, compared by what their records say of the person (Splink 5).

A model says how much each agreement and disagreement weighs, in bits. It is trained by a command,
without labels, on the retailer's own records (Fellegi and Sunter, 1969, by expectation
maximisation), saved, and used as it is until the next training, so that a score means the same
every day. Until the first training the model that comes with Perennial is used.

Splink works on a database of its own, in memory: nothing of its tables reaches the warehouse.
"""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dagster_project.database import read
from dagster_project.errors import PerennialError
from dagster_project.identity.arrow import Integers, write_table
from dagster_project.identity.demotion import CONTRADICTION
from dagster_project.identity.joining import Joining
from dagster_project.identity.people import folded
from dagster_project.identity.rules import Rules
from sources.loader.store import commit, make_folder, temporary

if TYPE_CHECKING:
    from splink import Linker, SettingsCreator
    from splink.internals.blocking_rule_creator import BlockingRuleCreator

logger = logging.getLogger(__name__)

Weights = NDArray[np.float64]

SHIPPED_MODEL = Path(__file__).with_name("model.json")

# What two records have in common before they are compared at all, as SQL over one record. A typo in
# one field leaves the others; given and family name may stand in each other's place.
_BLOCKS = {
    "names": "least(given_name, family_name) || '|' || greatest(given_name, family_name)",
    "birth_date": "birth_date",
    "born_and_initial": "birth_date || least(left(given_name, 1), left(family_name, 1))",
    "three_letters": "least(left(given_name, 3), left(family_name, 3))"
    " || '|' || greatest(left(given_name, 3), left(family_name, 3))",
    "family_and_postal": "family_name || '|' || postal_letters",
    "given_and_postal": "given_name || '|' || postal_letters",
    "family_and_city": "family_name || '|' || city",
    "given_and_city": "given_name || '|' || city",
    "street_and_postal": "left(street_address, 5) || '|' || postal_letters",
    "street": "street_address",
    "tax_id": "tax_id",
    "email": "email",
    "email_name": "email_name",
    "phone": "phone",
}
# What is kept of a record from one resolution to the next, beside the registration it describes.
_KEPT = (
    "given_name",
    "family_name",
    "birth_date",
    "street_address",
    "city",
    "postal_code",
    "full_name",
    "email",
    "email_name",
    "phone",
    "tax_id",
    "postal_letters",
)
# An agreement in a frequent value of these says less than one in a rare value.
_BY_FREQUENCY = ("full_name", "city", "postal_code")
_BLOCKED = ", ".join(f"{sql} as block_{name}" for name, sql in _BLOCKS.items())
# Names and a city have namesakes, however rare both are among the records: at least one of these
# has to agree too, or a pair is for somebody to decide.
_PERSONAL = """(
    one.birth_date = other.birth_date or one.tax_id = other.tax_id
    or one.email = other.email or one.phone = other.phone or one.postal_code = other.postal_code
    or jaro_winkler_similarity(one.street_address, other.street_address) >= 0.85
)"""
# More records than this with one value of a block aren't compared by it: their number is squared.
_MOST_ALIKE = 100
# Fewer records than this, and nothing can be learnt from them.
_FEWEST_RECORDS = 200
_TRAINING_PAIRS = 2_000_000
_ITERATIONS = 60
# The share of one person's records that are mistaken in anything at all, whatever a sample shows;
# and how rare an agreement of chance pairs can be.
_MISTAKEN = 0.02
_RAREST = 1e-6
_AS_BEFORE = "The model in use stays as it is."
# Expectation maximisation looks at pairs that agree in this, and learns what the rest weighs.
_TRAINED_WITHIN = (("birth_date",), ("given_name", "family_name"), ("postal_code", "city"))


class ModelError(PerennialError):
    """A model can't be trained or read."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of nodes of different persons, and how probable it is that they are one."""

    left: Integers
    right: Integers
    probability: Weights


def write_records(connection: duckdb.DuckDBPyConnection, *, signals: str) -> None:
    """Make _identity_records, what is compared: one row a registration that is described by name.

    Of several records of one registration the newest speaks.
    """
    connection.execute(
        f"""
        create or replace temp table _identity_records as
        with contacts as (
            select mentions.signal_no,
                min(node) filter (where nodes.identifier_type = 'email') as email_node,
                min(node) filter (where nodes.identifier_type = 'phone') as phone_node,
                min(node) filter (where nodes.identifier_type = 'tax_id') as tax_node
            from (
                select * from _identity_mentions
                semi join _identity_descriptions using (signal_no)
            ) as mentions
            join _identity_nodes as nodes using (node)
            where nodes.identifier_type in ('email', 'phone', 'tax_id')
            group by mentions.signal_no
        ),
        said as (
            select described.node, described.given_name, described.family_name,
                described.birth_date::varchar as birth_date,
                contacts.email_node, contacts.phone_node, contacts.tax_node,
                array_to_string(list_sort(string_split({folded("signals.street_address")}, ' ')),
                    ' ') as street_address,
                {folded("signals.city")} as city,
                nullif(upper(regexp_replace(signals.postal_code, '[^\\pL\\pN]', '', 'g')), '')
                    as postal_code
            from _identity_descriptions as described
            join {signals} as signals using (signal_no)
            left join contacts on contacts.signal_no = signals.signal_no
            where not described.is_nobody
            qualify row_number() over (
                partition by described.node
                order by signals.last_seen_at desc nulls last, signals.signal_id
            ) = 1
        )
        select said.*, given_name || ' ' || family_name as full_name,
            emails.value as email, split_part(emails.value, '@', 1) as email_name,
            phones.value as phone, tax_ids.value as tax_id,
            array_to_string(list_sort(string_split(postal_code, '')), '') as postal_letters
        from said
        left join _identity_nodes as emails on emails.node = said.email_node
        left join _identity_nodes as phones on phones.node = said.phone_node
        left join _identity_nodes as tax_ids on tax_ids.node = said.tax_node
        where coalesce(given_name, family_name) is not null
            and coalesce(birth_date, street_address, postal_code, emails.value, phones.value,
                tax_ids.value) is not null
        """
    )


def propose(
    joining: Joining, rules: Rules, model: dict[str, Any], *, others: str | None = None
) -> Pairs:
    """Pairs of registrations of different persons that are at least `rules.review` probable.

    `others` names a table of records (as in identity_state.records) that were compared with each
    other before, and with those of _identity_former_records, which aren't there any more: they are
    now compared with those of `joining` alone. Temp table _identity_met then has the registrations
    among them that are in a pair, or whose score may have changed.

    Leaves _identity_telling, the records of `joining` as they were compared.
    """
    records = _blocked(joining, rules, others)
    nothing = np.empty(0, dtype=np.int64)
    pairs = Pairs(nothing, nothing, np.empty(0))
    if len(records) > 1:
        pairs = _compared(records, rules, model)
    if others is None:
        return pairs
    return _among_themselves(joining, pairs)


def _compared(records: pa.Table, rules: Rules, model: dict[str, Any]) -> Pairs:
    with _linker(records, _with_blocks(model)) as (connection, linker):
        predicted = linker.inference.predict(threshold_match_probability=rules.review)
        found = read(
            connection,
            f"""
            select least(node_l, node_r) as "left", greatest(node_l, node_r) as "right",
                case when {_PERSONAL} then match_probability else {rules.review} end as probability
            from {predicted.physical_name}
            join records as one on one.node = node_l
            join records as other on other.node = node_r
            order by 1, 2
            """,
        )
    left, right, probability = (found.column(name).to_numpy() for name in found.column_names)
    return Pairs(left.astype(np.int64), right.astype(np.int64), probability.astype(np.float64))


def _among_themselves(joining: Joining, pairs: Pairs) -> Pairs:
    """The pairs without others; _identity_met gets the others."""
    count = joining.evidence.node_count
    is_own = pairs.right < count
    write_table(joining.connection, "_identity_far", {"node": np.unique(pairs.right[~is_own])})
    joining.connection.execute(
        f"create or replace temp table _identity_former_keyed as "
        f"select *, {_BLOCKED} from _identity_former_records"
    )
    crossing = " union ".join(
        [_crossing(f"block_{name}", lambda count: f"{count} > {_MOST_ALIKE}") for name in _BLOCKS]
        + [_crossing(column, _rounded) for column in _BY_FREQUENCY]
        + [_all_crossing(column) for column in _BY_FREQUENCY]
    )
    joining.connection.execute(
        f"""
        create or replace temp table _identity_met as
        select identifier_type, identifier_value
        from _identity_keyed
        where node in (select node from _identity_far union {crossing})
        """
    )
    joining.connection.execute("drop table _identity_far; drop table _identity_former_keyed")
    return Pairs(pairs.left[is_own], pairs.right[is_own], pairs.probability[is_own])


def _crossing(column: str, judged: Callable[[str], str]) -> str:
    """SQL for the other records whose value of `column` is now judged otherwise than before.

    `judged` is an expression over the number of records that have the value.
    """
    return f"""
        select node from _identity_keyed
        where is_other and {column} in (
            select value
            from (
                select {column} as value, count(*) as now, count(*) filter (is_other) as others
                from _identity_keyed
                where {column} in (
                    select {column} from _identity_keyed where not is_other
                    union select {column} from _identity_former_keyed
                )
                group by {column}
            )
            left join (
                select {column} as value, count(*) as former from _identity_former_keyed group by 1
            ) using (value)
            where others > 0
                and ({judged("now")}) <> ({judged("(others + coalesce(former, 0))")})
        )"""


def _all_crossing(column: str) -> str:
    """SQL for all other records, if the frequencies of `column` are taken of another number now."""
    others = f"(select count({column}) from _identity_keyed where is_other)"
    former = f"(select count({column}) from _identity_former_keyed)"
    now = f"(select count({column}) from _identity_keyed)"
    return f"""
        select node from _identity_keyed
        where is_other and {others} > 0
            and {_rounded(now)} <> {_rounded(f"({others} + {former})")}"""


def _rounded(count: str) -> str:
    """SQL of a count to half a power of two: scores don't change with every record that comes."""
    return f"pow(2, round(2 * log2(greatest({count}, 1))) / 2)"


def _blocked(joining: Joining, rules: Rules, others: str | None = None) -> pa.Table:
    """The records with their persons, frequencies, and what they have in common with few others.

    Of `others`, those that have any such thing in common with a record of `joining`.
    """
    _write_telling(joining, rules)
    connection = joining.connection
    own = f"select node, person, {', '.join(_KEPT)}, false as is_other from _identity_telling"
    if others is None:
        keyed = f"select *, {_BLOCKED} from ({own})"
    else:
        keyed = f"""
            select *, {_BLOCKED} from (
                select null::varchar as identifier_type, null::varchar as identifier_value, *
                from ({own})
                union all by name
                select {joining.evidence.node_count} + row_number() over () - 1 as node,
                    {joining.evidence.node_count} + row_number() over () - 1 as person,
                    identifier_type, identifier_value, {", ".join(_KEPT)}, true as is_other
                from {others}
            )"""
    connection.execute(f"create or replace temp table _identity_keyed as {keyed}")
    crowds = ", ".join(
        f"crowds_{name} as (select block_{name} as value from _identity_keyed"
        f" where block_{name} is not null"
        f" group by block_{name} having count(*) > {_MOST_ALIKE})"
        for name in _BLOCKS
    )
    telling = ", ".join(
        f"case when block_{name} not in (select value from crowds_{name}) then block_{name} end"
        f" as block_{name}"
        for name in _BLOCKS
    )
    frequencies = ", ".join(
        f"""frequencies_{column} as (
            select {column},
                {_rounded("count(*)")} / (
                    select {_rounded(f"count({column})")} from _identity_keyed
                ) as tf_{column}
            from _identity_keyed where {column} is not null group by {column}
        )"""
        for column in _BY_FREQUENCY
    )
    joined = " ".join(
        f"left join frequencies_{column} using ({column})" for column in _BY_FREQUENCY
    )
    near = " or ".join(
        f"block_{name} in (select block_{name} from telling where not is_other)" for name in _BLOCKS
    )
    return read(
        connection,
        f"""
        with {crowds}, {frequencies},
        telling as (select * replace ({telling}) from _identity_keyed)
        select node, person, is_other, {", ".join(_KEPT)},
            {", ".join(f"block_{name}" for name in _BLOCKS)},
            {", ".join(f"tf_{column}" for column in _BY_FREQUENCY)}
        from telling {joined}
        {"" if others is None else f"where not is_other or {near}"}
        order by node
        """,
    )


def _write_telling(joining: Joining, rules: Rules) -> None:
    """_identity_telling: the records of registrations that may join, with their persons.

    A contact that was demoted says nothing here either: a shop's own address, a family's. A tax
    number does, where it was demoted only because the names differ.
    """
    says_nothing = joining.is_demoted.copy()
    is_tax_id = joining.evidence.nodes_of(
        tuple(rule for rule in rules.shared if rule.normalise == "tax_id")
    )
    for demotion in joining.demotions:
        if demotion.reason == CONTRADICTION:
            says_nothing[demotion.node[is_tax_id[demotion.node]]] = False
    count = joining.evidence.node_count
    write_table(
        joining.connection,
        "_identity_labels",
        {
            "node": np.arange(count, dtype=np.int64),
            "person": joining.person,
            "is_demoted": joining.is_demoted,
            "says_nothing": says_nothing,
        },
    )
    joining.connection.execute(
        """
        create or replace temp table _identity_telling as
        select records.* replace (
                case when not emails.says_nothing then email end as email,
                case when not emails.says_nothing then email_name end as email_name,
                case when not phones.says_nothing then phone end as phone,
                case when not tax_ids.says_nothing then tax_id end as tax_id
            ), labels.person
        from _identity_records as records
        join _identity_labels as labels using (node)
        left join _identity_labels as emails on emails.node = records.email_node
        left join _identity_labels as phones on phones.node = records.phone_node
        left join _identity_labels as tax_ids on tax_ids.node = records.tax_node
        where not labels.is_demoted
        """
    )
    joining.connection.execute("drop table _identity_labels")


def keep_records(connection: duckdb.DuckDBPyConnection) -> None:
    """Write identity_state.records: what was compared, for those who come later."""
    connection.execute(
        f"""
        create or replace table identity_state.records as
        select nodes.identifier_type, nodes.value as identifier_value, {", ".join(_KEPT)}
        from _identity_telling join _identity_nodes as nodes using (node)
        """
    )


def train(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Learn a model from _identity_records; what they can't tell is as in the shipped model.

    Raises ModelError where they are too few, or too different to learn from.
    """
    from splink import block_on

    records = read(connection, "select * from _identity_records order by node")
    if len(records) < _FEWEST_RECORDS:
        raise ModelError(
            f"{len(records)} registrations are described by name: at least {_FEWEST_RECORDS} are "
            f"needed to learn from. {_AS_BEFORE}"
        )
    with _linker(records, settings()) as (_, linker):
        sure: list[str | BlockingRuleCreator] = [
            block_on("given_name", "family_name", "birth_date"),
            block_on("given_name", "family_name", "postal_code"),
            block_on("email", "given_name"),
        ]
        linker.training.estimate_probability_two_random_records_match(sure, recall=0.7)
        linker.training.estimate_u_using_random_sampling(max_pairs=_TRAINING_PAIRS, seed=1)
        model = linker.misc.save_model_to_json()
    learnt: dict[str, list[Weights]] = {}
    for columns in _TRAINED_WITHIN:
        for name, weights in _within(records, model, columns).items():
            learnt.setdefault(name, []).append(weights)
    if not learnt:
        raise ModelError(
            "No two registrations have a birth date, a name or a place in common: there is "
            f"nothing to learn from. {_AS_BEFORE}"
        )
    for comparison in model["comparisons"]:
        passes = learnt.get(comparison["output_column_name"])
        if passes:
            told = [found for found in passes if not np.isnan(found).any()] or passes
            means = np.mean(told, axis=0)
            for level, weight in zip(_levels(comparison), means, strict=True):
                level["m_probability"] = float(weight)
    return _completed(model)


def _within(
    records: pa.Table, model: dict[str, Any], columns: tuple[str, ...]
) -> dict[str, Weights]:
    """What pairs that agree in `columns` tell of all else: m by level, by comparison."""
    key = " || '|' || ".join(columns)
    apart = model | {
        "retain_matching_columns": True,
        "blocking_rules_to_generate_predictions": [{"blocking_rule": "l.within = r.within"}],
    }
    others = [
        comparison
        for comparison in model["comparisons"]
        if not any(column in json.dumps(comparison) for column in columns)
    ]
    gammas = [f"gamma_{comparison['output_column_name']}" for comparison in others]
    with duckdb.connect() as connection:
        connection.register("given", records)
        kept = read(
            connection,
            f"""
            with keyed as (
                select *, {key} as key, count(*) over (partition by {key}) as alike from given
            ),
            pairs as (select sum(alike - 1) / 2 as n from keyed where alike <= {_MOST_ALIKE})
            select keyed.* exclude (key, alike), key as within
            from keyed, pairs
            where key is not null and alike between 2 and {_MOST_ALIKE}
                and hash(key) % greatest(1, ceil(pairs.n / {_TRAINING_PAIRS}))::ubigint = 0
            order by node
            """,
        )
    if not len(kept):
        return {}
    with _linker(kept, apart) as (connection, linker):
        predicted = linker.inference.predict().physical_name
        patterns = read(
            connection,
            f"select {', '.join(gammas)}, count(*) as n from {predicted} group by all order by all",
        )
    seen = np.stack([patterns.column(gamma).to_numpy() for gamma in gammas])
    weights = _expectation_maximisation(
        seen, patterns.column("n").to_numpy().astype(np.float64), [_u(c) for c in others]
    )
    return {c["output_column_name"]: m for c, m in zip(others, weights, strict=True)}


def _expectation_maximisation(
    seen: Integers, counts: Weights, unmatched: list[Weights]
) -> list[Weights]:
    """The share of each level among the pairs of one person, for each comparison.

    `seen`: by comparison and pattern, the level, the best of n being n - 1 and -1 unknown.
    `unmatched`: by comparison, the best level first, the levels' shares among chance pairs.
    A part of every share is given away evenly: no sample shows that a mistake is impossible.
    """
    matched = [np.linspace(len(u), 1, len(u)) ** 2 for u in unmatched]
    matched = [m / m.sum() for m in matched]
    share = 0.5
    for _ in range(_ITERATIONS):
        weight = np.full(len(counts), np.log(share / (1 - share)))
        for levels, m, u in zip(seen, matched, unmatched, strict=True):
            known = levels >= 0
            weight[known] += np.log(m / u)[len(u) - 1 - levels[known]]
        one = counts / (1 + np.exp(-weight))
        share = float(np.clip(one.sum() / counts.sum(), 1e-9, 1 - 1e-9))
        for place, (levels, u) in enumerate(zip(seen, unmatched, strict=True)):
            known = levels >= 0
            found = np.bincount(len(u) - 1 - levels[known], weights=one[known], minlength=len(u))
            if found.sum() > 0:
                even = _MISTAKEN / len(u)
                matched[place] = (1 - _MISTAKEN) * found / found.sum() + even
    told = [bool((levels >= 0).any()) for levels in seen]
    return [m if t else np.full(len(m), np.nan) for m, t in zip(matched, told, strict=True)]


def _levels(comparison: dict[str, Any]) -> list[dict[str, Any]]:
    """The levels of a comparison, the best first, but for what is unknown."""
    return [level for level in comparison["comparison_levels"] if not level.get("is_null_level")]


def _u(comparison: dict[str, Any]) -> Weights:
    shares = [level.get("u_probability") or _RAREST for level in _levels(comparison)]
    return np.maximum(np.array(shares, dtype=np.float64), _RAREST)


def _completed(model: dict[str, Any]) -> dict[str, Any]:
    """The model, with the shipped one's weights where a kind of agreement never occurred."""
    shipped = load_model(SHIPPED_MODEL)["comparisons"]
    for comparison, known in zip(model["comparisons"], shipped, strict=True):
        for level, other in zip(_levels(comparison), _levels(known), strict=True):
            if np.isnan(level.get("m_probability", np.nan)):
                level["m_probability"] = other["m_probability"]
                level["u_probability"] = other["u_probability"]
            level["u_probability"] = max(level.get("u_probability") or 0, _RAREST)
    return model


def settings() -> "SettingsCreator":
    """What is compared with what, and how finely; the weights are for the training to find."""
    import splink.comparison_library as cl
    from splink import SettingsCreator

    return SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="node",
        retain_matching_columns=False,
        comparisons=[
            cl.CustomComparison(_name_levels(), "name"),
            cl.DateOfBirthComparison(
                "birth_date",
                input_is_string=True,
                datetime_thresholds=[1, 1],
                datetime_metrics=["month", "year"],
            ),
            cl.JaroWinklerAtThresholds("street_address", [0.95, 0.85]),
            cl.JaroWinklerAtThresholds("city", [0.85]).configure(term_frequency_adjustments=True),
            cl.LevenshteinAtThresholds("postal_code", [1, 2]).configure(
                term_frequency_adjustments=True
            ),
            cl.DamerauLevenshteinAtThresholds("tax_id", [1]),
            # Not by degrees: those of namesakes, and of families, differ in a digit.
            cl.ExactMatch("email"),
            cl.ExactMatch("phone"),
        ],
    )


def _name_levels() -> list[Any]:
    """Both names, or those in each other's place, alike in this degree; then one of them alone."""
    import splink.comparison_level_library as cll

    def alike(one: str, other: str, degree: float) -> str:
        return f"jaro_winkler_similarity({one}_l, {other}_r) >= {degree}"

    def both(degree: float) -> str:
        return f"""({alike("given_name", "given_name", degree)}
            and {alike("family_name", "family_name", degree)})"""

    def swapped(degree: float) -> str:
        return f"""({alike("given_name", "family_name", degree)}
            and {alike("family_name", "given_name", degree)})"""

    return [
        cll.And(cll.NullLevel("given_name"), cll.NullLevel("family_name")),
        cll.ExactMatchLevel("full_name", term_frequency_adjustments=True),
        cll.CustomLevel(f"{both(0.92)} or {swapped(1)}", "both very alike, or swapped"),
        cll.CustomLevel(f"{both(0.85)} or {swapped(0.85)}", "both alike, or swapped and alike"),
        cll.ExactMatchLevel("family_name"),
        cll.ExactMatchLevel("given_name"),
        cll.CustomLevel(
            f"{alike('given_name', 'given_name', 0.85)}"
            f" or {alike('family_name', 'family_name', 0.85)}",
            "one of the names alike",
        ),
        cll.ElseLevel(),
    ]


def _with_blocks(model: dict[str, Any]) -> dict[str, Any]:
    """The model, with the pairs that are to be looked at: none within one person, or of others."""
    looked_at = "l.person <> r.person and not (l.is_other and r.is_other)"
    return model | {
        "blocking_rules_to_generate_predictions": [
            {"blocking_rule": f"l.block_{name} = r.block_{name} and {looked_at}"}
            for name in _BLOCKS
        ]
    }


@contextmanager
def _linker(
    records: pa.Table, model: "SettingsCreator | dict[str, Any]"
) -> Iterator[tuple[duckdb.DuckDBPyConnection, "Linker"]]:
    """Splink on the records, in a database that is gone afterwards."""
    from splink import DuckDBAPI, Linker

    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.register("given", records)
        frequencies = [name for name in records.column_names if name.startswith("tf_")]
        kept = f"* exclude ({', '.join(frequencies)})" if frequencies else "*"
        connection.execute(f"create table records as select {kept} from given")
        database = DuckDBAPI(connection=connection)
        linker = Linker(database.register("records"), model, log_level=logging.ERROR)
        for name in frequencies:
            column = name.removeprefix("tf_")
            connection.execute(
                f"create table {name} as select distinct {column}, {name} from given "
                f"where {column} is not null"
            )
            linker.table_management.register_term_frequency_lookup(database.register(name), column)
        connection.unregister("given")
        yield connection, linker


def save_model(folder: Path, model: dict[str, Any]) -> Path:
    """Save a model under the next number, and give its file; those before stay."""
    make_folder(folder)
    numbers = [int(path.stem.split("-")[1]) for path in folder.glob("model-[0-9]*.json")]
    path = folder / f"model-{max(numbers, default=0) + 1:04}.json"
    with temporary(path) as unfinished:
        unfinished.write_text(json.dumps(model, indent=1) + "\n", encoding="utf-8")
        commit(unfinished, path)
    return path


def weights(model: dict[str, Any]) -> list[tuple[str, str, float]]:
    """What each kind of agreement weighs: comparison, kind, bits for (or against) one person."""
    return [
        (
            comparison["output_column_name"],
            level["label_for_charts"],
            float(np.log2(level["m_probability"] / level["u_probability"])),
        )
        for comparison in model["comparisons"]
        for level in _levels(comparison)
    ]


def load_model(path: Path) -> dict[str, Any]:
    """A saved model."""
    try:
        model = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(model, dict) or "comparisons" not in model:
            raise ValueError("it has no comparisons")
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path} is no matching model ({error}): delete it, and the one before is used."
        ) from error
    return model
