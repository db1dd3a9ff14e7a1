"""On a sample world of known truth, identity joins what it can and hardly what it shouldn't."""

import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from quality import Quality, ceiling, of_aliases, of_households, of_records
from sample_world import AS_OF, make_world

from dagster_project.database import connect
from dagster_project.identity import IdentityReport, resolve


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a small world, loaded and staged."""
    data = tmp_path_factory.mktemp("world")
    make_world(data, customers=400, seed=11, lines_per_receipt=2, dirty=0.01)
    return data


@pytest.fixture(scope="module")
def warehouse(world: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(world / "warehouse.duckdb") as connection:
        yield connection


@pytest.fixture(scope="module")
def report(warehouse: duckdb.DuckDBPyConnection) -> IdentityReport:
    return resolve(warehouse, as_of=AS_OF, default_country="RO", salt="s", previous=None)


def show(capsys: pytest.CaptureFixture[str], *found: Quality) -> None:
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(map(str, found)) + "\n")


def test_records_are_joined_with_few_mistakes_and_few_gaps(
    warehouse: duckdb.DuckDBPyConnection,
    world: Path,
    report: IdentityReport,
    capsys: pytest.CaptureFixture[str],
) -> None:
    records = of_records(warehouse, world / "truth")
    possible = ceiling(warehouse, world / "truth")
    show(capsys, records, possible)
    assert records.things > 10_000
    assert records.precision >= 0.999
    assert records.recall >= 0.99 * possible.recall
    assert records.bcubed_f1 >= 0.99 * possible.bcubed_f1


def test_aliases_are_joined_with_few_mistakes_and_few_gaps(
    warehouse: duckdb.DuckDBPyConnection,
    world: Path,
    report: IdentityReport,
    capsys: pytest.CaptureFixture[str],
) -> None:
    everything, *kinds = of_aliases(warehouse, world / "truth")
    show(capsys, everything, *kinds)
    assert everything.precision >= 0.999
    assert everything.recall >= 0.85
    assert all(kind.precision >= 0.95 for kind in kinds)


def test_families_are_households_and_nobody_else_is(
    warehouse: duckdb.DuckDBPyConnection,
    world: Path,
    report: IdentityReport,
    capsys: pytest.CaptureFixture[str],
) -> None:
    households = of_households(warehouse, world / "truth")
    show(capsys, households)
    assert households.true >= 3
    assert households.precision >= 0.95
    assert households.recall >= 0.85


def test_the_measure_sees_a_world_of_one_person_and_a_world_of_strangers(
    warehouse: duckdb.DuckDBPyConnection, world: Path, report: IdentityReport
) -> None:
    warehouse.execute("begin transaction")
    warehouse.execute("update identity.resolved set profile_id = 'everybody'")
    assert of_records(warehouse, world / "truth").precision < 0.1
    warehouse.execute("update identity.resolved set profile_id = signal_id")
    assert of_records(warehouse, world / "truth").recall < 0.85
    warehouse.execute("update identity.household_members set household_id = 'everybody'")
    assert of_households(warehouse, world / "truth").precision < 0.5
    warehouse.execute("update identity.household_members set household_id = profile_id")
    assert of_households(warehouse, world / "truth").recall < 0.5
    warehouse.execute("rollback")


def test_what_many_people_share_joins_nobody(
    warehouse: duckdb.DuckDBPyConnection, world: Path, report: IdentityReport
) -> None:
    """Every trap of the sample that was walked into is demoted, and nothing else is."""
    query = f"""
        with shared as (
            select identifier_type, identifier_value, any_value(trap) as trap
            from read_parquet('{world}/truth/identifiers.parquet')
            group by identifier_type, identifier_value
            having count(distinct person_id) > 1
        )
        select demoted.identifier_type, trap, count(*)
        from identity.demoted as demoted
        left join shared
            on shared.identifier_type = demoted.identifier_type
            and lower(shared.identifier_value) = lower(demoted.identifier_value)
        group by all order by all
    """
    found = {(kind, trap) for kind, trap, _ in warehouse.execute(query).fetchall()}
    assert found == {
        ("anonymous_id", "shop_tablet"),
        ("device_id", "shop_tablet"),
        ("email", "family_email"),
        ("erp_customer_id", "default_customer"),
        ("loyalty_id", "default_customer"),
        ("phone", "recycled_phone"),
    }


def test_no_profile_is_larger_than_a_person(
    warehouse: duckdb.DuckDBPyConnection, world: Path, report: IdentityReport
) -> None:
    largest = warehouse.execute(
        f"""
        select max(n) from (
            select count(*) as n from read_parquet('{world}/truth/identifiers.parquet')
            group by person_id
        )
        """
    ).fetchone()
    assert largest is not None
    assert report.largest_profile <= 1.2 * largest[0]
