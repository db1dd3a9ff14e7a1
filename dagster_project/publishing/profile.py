"""Everything the published build and the ledger know of one person."""

from dataclasses import dataclass
from pathlib import Path

from dagster_project.publishing import ledger as ledger_file
from dagster_project.publishing import published as published_file
from dagster_project.publishing.audience import read_audiences
from dagster_project.publishing.explanation import (
    cut_links_of,
    identifiers_of,
    links_within,
    review_of,
    rows_of,
)
from dagster_project.publishing.people import find_person
from dagster_project.publishing.picture import draw_person
from dagster_project.publishing.published import CATALOG
from dagster_project.publishing.tree import Row


@dataclass(frozen=True)
class AudienceOfPerson:
    """An audience that the person is in, and the channels that have acknowledged it."""

    name: str
    is_member: bool
    acknowledged_by: tuple[str, ...]


@dataclass(frozen=True)
class PersonView:
    """One person, for people to read; personal by nature, so shown and never logged.

    `identifiers` stand in the order of the tree of what joined them. `links` are all that hold
    between two of them, `cut_links` those to another person that don't, and `review` the
    registrations of other persons that are alike; each where the build publishes it.
    """

    profile_id: str
    profile: Row
    identifiers: list[Row]
    links: list[Row]
    cut_links: list[Row]
    review: list[Row]
    former_ids: list[Row]
    history: list[Row]
    orders: list[Row]
    consents: list[Row]
    audiences: list[AudienceOfPerson]
    lifecycle: Row | None
    churn: Row | None
    reasons: list[Row]

    def picture(self) -> str:
        """Draw what joined the identifiers, as SVG; it holds no value."""
        return draw_person(self.identifiers, self.links, self.cut_links, self.review)


def show(published: Path, ledger: Path, identifier: str) -> PersonView:
    """Show the person whom an identifier names; raises UnknownPersonError if there is none."""
    with published_file.opened(published) as connection:
        profile_id = find_person(connection, identifier)

        def of_person(table: str, order: str, owner: str = "profile_id = $id") -> list[Row]:
            return rows_of(connection, table, owner, profile_id, order)

        members = {
            name: ledger_file.scalar(
                connection,
                f'select count(*) from {CATALOG}.audiences."{name}" where profile_id = ?',
                [profile_id],
            )
            for name in read_audiences(connection)
        }
        profiles = of_person("customer_profiles", "profile_id")
        lifecycle = of_person("customer_lifecycle", "as_of desc")
        churn = of_person("churn_factors", "as_of desc")
        return PersonView(
            profile_id=profile_id,
            profile=profiles[0] if profiles else {"profile_id": profile_id},
            identifiers=identifiers_of(connection, profile_id),
            links=links_within(connection, profile_id),
            cut_links=cut_links_of(connection, profile_id),
            review=review_of(connection, profile_id),
            former_ids=of_person("identity_redirects", "since, former_profile_id"),
            history=of_person(
                "identity_history", "happened_at", "$id in (from_profile_id, to_profile_id)"
            ),
            orders=of_person("customer_orders", "ordered_at desc"),
            consents=of_person("customer_consents", "channel, purpose"),
            audiences=_audiences(ledger, profile_id, members),
            lifecycle=lifecycle[0] if lifecycle else None,
            churn=churn[0] if churn else None,
            reasons=of_person("churn_reasons", "rank"),
        )


def telling_example(published: Path) -> str | None:
    """The profile id of a person in whom many kinds of links meet, few enough to be drawn well."""
    with published_file.opened(published) as connection:
        found = connection.execute(
            f"""
            select profile_id
            from {CATALOG}.marts.customer_identifiers
            group by profile_id
            having count(*) between 2 and 16
            order by count(distinct joined_by) desc, bool_or(joined_by = 'alike') desc,
                count(distinct identifier_type) desc,
                count(*), profile_id
            limit 1
            """
        ).fetchone()
    return str(found[0]) if found else None


def _audiences(ledger: Path, profile_id: str, members: dict[str, int]) -> list[AudienceOfPerson]:
    held: dict[str, tuple[str, ...]] = {}
    if ledger.exists():
        with ledger_file.opened(ledger, read_only=True) as connection:
            held = {
                audience: tuple(channels)
                for audience, channels in connection.execute(
                    "select audience, list(channel order by channel) from membership "
                    "where profile_id = ? group by all",
                    [profile_id],
                ).fetchall()
            }
    names = sorted({name for name, count in members.items() if count} | held.keys())
    return [AudienceOfPerson(n, bool(members.get(n)), held.get(n, ())) for n in names]
