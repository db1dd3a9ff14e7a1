"""Identity as assets: who is who, between staging and intermediate."""

from collections.abc import Iterator

import dagster as dg

from dagster_project import identity
from dagster_project import warehouse as builds
from dagster_project.defs.resources import Warehouse
from dagster_project.publishing import gates

TABLES = {
    "normalised": "Identifier values as sources wrote them, and as they are compared. "
    "Grain: one row a value as written.",
    "links": "Which identifiers were seen together, by which rule, or belong to registrations that "
    "are alike, with how probable that is. Grain: one row a pair, rule and source.",
    "ties": "Why an identifier belongs to its person: the link that ties it towards the person's "
    "anchor. Grain: one row an identifier that joined.",
    "review": "Registrations that may be one person's, for somebody to decide. Grain: one row a "
    "pair.",
    "cut_links": "Identifiers seen together but not joined, as the people contradict each "
    "other. Grain: one row a pair, rule and source.",
    "redirects": "Where a former profile id leads today. Grain: one row a former id.",
    "demoted": "Identifiers that too many people share: they join nobody. Grain: one row an "
    "identifier.",
    "identifiers": "The identifiers of each person. Grain: one row an identifier and source.",
    "resolved": "The person of each combination of identifiers. Grain: one row a signal.",
    "profiles": "The people. Grain: one row a person.",
    "history": "Every merge and split since the first build. Grain: one row a change.",
}
# What hangs on how much the matching model finds records to be alike.
_BY_MODEL = ("links", "ties", "review")


@dg.multi_asset(
    name="identity",
    specs=[
        dg.AssetSpec(
            key=["identity", table],
            deps=[["staging", "stg_identity__signals"]],
            group_name="identity",
            kinds={"python", "duckdb"},
            owners=["team:data-engineering"],
            description=description,
        )
        for table, description in TABLES.items()
    ],
)
def resolved_identities(
    context: dg.AssetExecutionContext, warehouse: Warehouse
) -> Iterator[dg.MaterializeResult]:
    """Join what belongs to one person; ids are those of the build before."""
    settings = warehouse.settings
    with warehouse.connect() as connection:
        gates.invalidate(connection, "identity")
        build = builds.current(connection)
        report = identity.resolve(
            connection,
            as_of=build.as_of,
            default_country=build.default_country,
            salt=settings.identity_salt.get_secret_value(),
            previous=settings.published if settings.published.exists() else None,
            model=settings.matching_model,
            overrides=settings.overrides,
        )
        rows = {
            table: connection.execute(f"select count(*) from identity.{table}").fetchone()
            for table in TABLES
        }
    context.log.info("%s", report)
    for table, count in rows.items():
        yield dg.MaterializeResult(
            asset_key=["identity", table],
            metadata={
                "dagster/row_count": count[0] if count else 0,
                **({"matching model": report.model} if table in _BY_MODEL else {}),
            },
        )


@dg.definitions
def defs() -> dg.Definitions:
    """The tables of the identity schema."""
    return dg.Definitions(assets=[resolved_identities])
