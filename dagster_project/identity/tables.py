"""The tables of schema identity, written anew in one transaction.

| table | grain |
|---|---|
| resolved | a signal: its profile_id, null where nothing usable is left; a fingerprint of its row |
| profiles | a person |
| identifiers | an identifier of a person, in one source; a demoted one with each who uses it |
| links | two identifiers tied together, by one rule in one source, or by likeness |
| ties | an identifier that joined: the link that ties it towards its person's anchor |
| cut_links | two identifiers seen together that weren't tied, because the persons contradict |
| review | two registrations that may be one person's, for somebody to decide |
| demoted | an identifier that joins nobody |
| normalised | an identifier as written (and a country, for phones) |
| history | a merge or a split |
| redirects | a former profile_id that leads to a present one |
| household_members | a person who shares a household with others |
| household_links | two persons of a household, and the address, e-mail or phone they share |

What was passed on is its present holder's; of a former one it is as if demoted, and `held_until`
says since when.

A demoted identifier proves nothing about who wrote, but a refusal that comes from it may be that of
any of its users.

Schema identity_state is what the next resolution goes on from (increment.py).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import duckdb

from dagster_project.identity.rules import Rules
from dagster_project.identity.ties import write_tied

SIGNALS = "staging.stg_identity__signals"
SCHEMAS = ("identity", "identity_state")


@contextmanager
def replaced(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Replace the schemas as a whole: killed anywhere, they are the old ones or the new ones."""
    with all_or_nothing(connection):
        for schema in SCHEMAS:
            connection.execute(f"drop schema if exists {schema} cascade; create schema {schema}")
        yield


@contextmanager
def all_or_nothing(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """One transaction."""
    connection.execute("begin transaction")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise


def write_tables(connection: duckdb.DuckDBPyConnection, rules: Rules, node_count: int) -> None:
    """Write all tables but history and redirects."""
    _write_resolved(connection)
    _write_links(connection, rules, node_count)
    _write_review(connection, rules)
    _write_identifiers(connection)
    _write_profiles(connection)
    _write_ties(connection)
    types = ", ".join(f"({rule.strength}, '{rule.name}')" for rule in rules.identifiers)
    connection.execute(
        f"""
        create or replace table identity.normalised as
        select types.identifier_type, written.raw_value, written.country, written.identifier_value
        from _identity_values as written
        join (values {types}) as types (strength, identifier_type) using (strength)
        """
    )
    connection.execute(
        """
        create or replace table identity.demoted as
        select nodes.identifier_type, nodes.value as identifier_value, demotions.reason,
            demotions.person_count, demotions.person_limit
        from _identity_demotions as demotions join _identity_nodes as nodes using (node)
        """
    )


def _write_resolved(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        f"""
        create or replace table identity.resolved as
        select signals.signal_id, members.profile_id,
            {fingerprint(connection.table("_identity_signals").columns)} as fingerprint
        from _identity_signals as signals
        left join _identity_holders as holders using (signal_no)
        left join _identity_members as members using (node)
        """
    )


def fingerprint(names: Sequence[str], signals: str = "signals") -> str:
    """SQL for a number that is another one as soon as anything in a row of `signals` is.

    `names`: its columns.
    """
    columns = [f'{signals}."{name}"' for name in names if name != "signal_no"]
    return f"hash({', '.join(columns)})"


def _write_links(connection: duckdb.DuckDBPyConnection, rules: Rules, node_count: int) -> None:
    """_identity_link_nodes is the same with nodes, for the reasons in the history.

    Two registrations whose records are alike have the `probability` that they are one person's.
    `ties` names the end (from or to) that the link ties to its person, `steps_to_anchor` away.
    """
    connection.execute(
        """
        create or replace temp table _identity_together as
        select holders.node as from_node, mentions.node as to_node, signals.source,
            mentions.is_previous,
            (holders.signal_no, holders.node) in (
                select (signal_no, holder) from _identity_reassigned where is_unnamed
            ) as is_passed_on,
            min(signals.first_seen_at) as first_seen_at,
            max(signals.last_seen_at) as last_seen_at,
            sum(signals.record_count)::bigint as record_count
        from _identity_mentions as mentions
        join _identity_holders as holders using (signal_no)
        join _identity_signals as signals using (signal_no)
        where mentions.node <> holders.node
            and mentions.node in (select node from _identity_members)
        group by holders.node, mentions.node, signals.source, mentions.is_previous, is_passed_on
        """
    )
    for table, which in (("link_nodes", "anti"), ("cut_nodes", "semi")):
        connection.execute(
            f"""
            create or replace temp table _identity_{table} as
            select together.*, null::double as probability
            from _identity_together as together
            {which} join _identity_cuts as cuts using (from_node, to_node)
            """
        )
    connection.execute(
        """
        insert into _identity_link_nodes
        select alike.from_node, alike.to_node, null, false, false,
            greatest(one.first_seen_at, other.first_seen_at),
            greatest(one.last_seen_at, other.last_seen_at), 0, alike.probability
        from _identity_alike as alike
        join _identity_nodes as one on one.node = alike.from_node
        join _identity_nodes as other on other.node = alike.to_node
        where alike.probability >= $1 and alike.is_one
        union all
        select distinct from_node, to_node, 'steward', false, false, null::timestamptz,
            null::timestamptz, 0, null::double
        from _identity_decided
        """,
        [rules.join],
    )
    write_tied(connection, node_count)
    _name_links(
        connection,
        "links",
        "_identity_link_nodes",
        """
        , case tied.node when links.from_node then 'from' when links.to_node then 'to' end as ties,
        tied.steps::integer as steps_to_anchor
        """,
        "left join _identity_tied as tied on tied.link = links.rowid",
    )
    _name_links(connection, "cut_links", "_identity_cut_nodes")


def _name_links(
    connection: duckdb.DuckDBPyConnection, table: str, nodes: str, more: str = "", join: str = ""
) -> None:
    """Write identity.`table`: links between nodes, by the identifiers that these stand for."""
    connection.execute(
        f"""
        create or replace table identity.{table} as
        select from_nodes.identifier_type as from_type, from_nodes.value as from_value,
            to_nodes.identifier_type as to_type, to_nodes.value as to_value,
            {_rule("from_nodes", "to_nodes")} as rule,
            links.source, links.first_seen_at, links.last_seen_at,
            links.record_count, links.probability {more}
        from {nodes} as links
        join _identity_nodes as from_nodes on from_nodes.node = links.from_node
        join _identity_nodes as to_nodes on to_nodes.node = links.to_node
        {join}
        """
    )


def _rule(one: str, other: str) -> str:
    """What put two nodes into one record, as SQL over `links` and the aliases of the two.

    An alias event, a phone or a device that was passed on since, the account or the card that the
    ERP notes with its customer, the web order that its customer placed, or else merely that they
    came together.
    """
    types = f"({one}.identifier_type, {other}.identifier_type)"
    noted = f"links.source = 'erp' and 'erp_customer_id' in {types}"
    return f"""case
        when links.probability is not null then 'alike'
        when links.source = 'steward' then 'must_link'
        when links.is_previous then 'alias'
        when links.is_passed_on then 'passed_on'
        when {noted} and 'user_id' in {types} then 'web_user_id'
        when {noted} and 'loyalty_id' in {types} then 'loyalty_id'
        when {noted} and ('anonymous_id' in {types} or 'device_id' in {types}) then 'web_order_id'
        else 'same_record' end"""


def _write_review(connection: duckdb.DuckDBPyConnection, rules: Rules) -> None:
    """Registrations that are alike and yet not joined, the likeliest first."""
    connection.execute(
        """
        create or replace table identity.review as
        select one.identifier_type as from_type, one.value as from_value,
            other.identifier_type as to_type, other.value as to_value,
            ones.profile_id as from_profile_id, others.profile_id as to_profile_id,
            alike.probability,
            case
                when alike.probability >= $1
                    then 'their records contradict each other, or each has an account'
                else 'not sure enough' end as reason
        from _identity_alike as alike
        join _identity_nodes as one on one.node = alike.from_node
        join _identity_nodes as other on other.node = alike.to_node
        join _identity_members as ones on ones.node = alike.from_node
        join _identity_members as others on others.node = alike.to_node
        where not alike.is_one
        order by alike.probability desc, alike.from_node, alike.to_node
        """,
        [rules.join],
    )


def _write_identifiers(connection: duckdb.DuckDBPyConnection) -> None:
    """A demoted identifier is listed with each person whose records carry it."""
    connection.execute(
        """
        create or replace table identity.identifiers as
        with own as (
            select seen.*, seen.node as holder, false as is_demoted,
                null::timestamptz as held_until
            from _identity_seen as seen
            anti join _identity_demotions as demotions using (node)
        ),
        former as (
            select passed.node, signals.source,
                min(signals.first_seen_at) as first_seen_at,
                max(signals.last_seen_at) as last_seen_at,
                sum(signals.record_count)::bigint as record_count,
                min(passed.holder) as holder, true as is_demoted, passed.held_until
            from _identity_reassigned as passed
            join _identity_signals as signals using (signal_no)
            group by passed.node, signals.source, passed.held_until
        ),
        shared as (
            select mentions.node, signals.source,
                min(signals.first_seen_at) as first_seen_at,
                max(signals.last_seen_at) as last_seen_at,
                sum(signals.record_count)::bigint as record_count,
                min(holders.node) as holder, true as is_demoted,
                null::timestamptz as held_until
            from _identity_mentions as mentions
            semi join _identity_demotions as demotions using (node)
            join _identity_holders as holders using (signal_no)
            join _identity_members as members on members.node = holders.node
            join _identity_signals as signals using (signal_no)
            group by mentions.node, signals.source, members.profile_id
        )
        select members.profile_id, nodes.identifier_type, nodes.value as identifier_value,
            seen.source, seen.first_seen_at, seen.last_seen_at, seen.record_count,
            seen.is_demoted, seen.held_until
        from (from own union all by name from former union all by name from shared) as seen
        join _identity_nodes as nodes using (node)
        join _identity_members as members on members.node = seen.holder
        """
    )


def _write_profiles(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        """
        create or replace table identity.profiles as
        with persons as (
            select members.anchor, max(nodes.last_seen_at) as last_seen_at,
                count(*) as identifier_count
            from _identity_members as members join _identity_nodes as nodes using (node)
            group by members.anchor
        )
        select members.profile_id, anchors.first_seen_at, persons.last_seen_at,
            persons.identifier_count, anchors.identifier_type as anchor_type,
            anchors.value as anchor_value, shapes.record_count, shapes.most_of_a_kind,
            shapes.pairs, shapes.pairs_apart, (shapes.doubt / 1_000_000)::decimal(18, 6) as doubt
        from _identity_members as members
        join persons using (anchor)
        join _identity_shapes as shapes using (anchor)
        join _identity_nodes as anchors on anchors.node = members.anchor
        where members.is_anchor
        """
    )


def _write_ties(connection: duckdb.DuckDBPyConnection) -> None:
    """A view: a link that ties says so itself, and a profile what it is anchored in."""
    ends = " union all ".join(
        f"""
        select {tied}_type as identifier_type, {tied}_value as identifier_value,
            {nearer}_type as joined_to_type, {nearer}_value as joined_to_value,
            rule as joined_by, source as joined_via, first_seen_at as joined_at,
            coalesce(probability, 1) as joined_score, steps_to_anchor
        from identity.links where ties = '{tied}'
        """
        for tied, nearer in (("from", "to"), ("to", "from"))
    )
    connection.execute(
        f"""
        create or replace view identity.ties as
        {ends}
        union all
        select anchor_type, anchor_value, null, null, null, null, null, null, 0
        from identity.profiles
        """
    )
