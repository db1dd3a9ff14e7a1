"""From staging to all marts, beside the same compiled SQL run bare.

    python -m tests.benchmarks.marts --customers 1000000 --lines 50000000

Tills only: receipts of five lines over two years, every customer with a card, a rhythm of their own
and a day of leaving. Perennial's stages intermediate, prediction and marts, with their tests and
gates, are run as the terminal runs them; the floor runs the same models, and no test, in one plain
DuckDB process, and predicts as Perennial does.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import duckdb

from tests.benchmarks.floor import build, stage
from tests.benchmarks.road import Measured, measure
from tests.e2e.house import AS_OF, House

LINES_OF_A_RECEIPT = 5
LAYERS = ("intermediate", "calendar", "prediction", "marts")


def fill(warehouse: Path, customers: int, lines: int) -> None:
    """Fill staging and identity of an empty build."""
    receipts = lines // LINES_OF_A_RECEIPT
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("set TimeZone = 'UTC'; set preserve_insertion_order = false")
        connection.execute(
            f"""
            create temp table people as
            select i, 'p_' || left(md5(i::varchar), 20) as profile_id, 's' || i as signal_id,
                'L' || i as loyalty_id, i || '@shop.example' as email,
                30 + hash(i) % 700 as since, hash(i, 1) % 300 as store
            from range({customers}) as r(i);

            insert into staging.stg_pos__stores
            select 'S' || i, 'Store ' || i, 'City ' || i % 80, 'PT', 'Europe/Lisbon',
                37 + i % 5, -8 - i % 2
            from range(300) as r(i);

            insert into staging.stg_pos__members by name
            select loyalty_id, email, 'Name ' || i % 3000 as given_name,
                'Family ' || i % 20000 as family_name, 'City ' || store % 80 as city,
                'PT' as country, 'S' || store as home_store_id,
                timestamptz '{AS_OF}' - since * interval 1 day as enrolled_at,
                timestamptz '{AS_OF}' - since * interval 1 day as updated_at, signal_id
            from people;

            insert into identity.resolved by name select signal_id, profile_id from people;
            insert into identity.profiles by name
            select profile_id, timestamptz '{AS_OF}' - since * interval 1 day as first_seen_at,
                timestamptz '{AS_OF}' as last_seen_at, 2 as identifier_count,
                'loyalty_id' as anchor_type, loyalty_id as anchor_value
            from people;
            insert into identity.identifiers by name
            select profile_id, identifier_type, identifier_value, 'pos' as source,
                timestamptz '{AS_OF}' - since * interval 1 day as first_seen_at,
                timestamptz '{AS_OF}' as last_seen_at, 1 as record_count, false as is_demoted
            from (
                unpivot people on loyalty_id, email
                into name identifier_type value identifier_value
            );
            insert into identity.links by name
            select 'email' as from_type, email as from_value, 'loyalty_id' as to_type,
                loyalty_id as to_value, 'member' as rule, 'pos' as source,
                timestamptz '{AS_OF}' as first_seen_at, 'from' as ties, 1 as steps_to_anchor
            from people;
            """
        )
        # A receipt's day: the customer's earlier ones are nearer to each other than the last gap.
        connection.execute(
            f"""
            insert into staging.stg_pos__receipt_lines by name
            with receipts as (
                select drawn.receipt, people.*,
                    timestamptz '{AS_OF}' - (since * (hash(receipt, 2) % 1000) / 1000.0)::int
                        * interval 1 day - (hash(receipt, 3) % 600) * interval 1 minute as sold_at
                from (
                    select i as receipt, (hash(i) % {customers})::bigint as person
                    from range({receipts}) as r(i)
                ) as drawn
                join people on people.i = drawn.person
            )
            select 'R' || receipt as receipt_id, line_no, 'S' || store as store_id, sold_at,
                'Europe/Lisbon' as timezone, 'PT' as country,
                'P' || product as product_id, 'Product ' || product as product_name,
                'Category ' || product % 60 as category, 1::decimal(18, 4) as quantity,
                (1 + product % 40)::decimal(18, 4) as unit_price, 0 as discount_amount,
                (1 + product % 40)::decimal(18, 4) as line_amount, 'EUR' as currency,
                loyalty_id, signal_id
            from (
                select *, hash(receipt, line_no, 4) % 20000 as product
                from receipts cross join range(1, {LINES_OF_A_RECEIPT + 1}) as l(line_no)
            ) as sold
            """
        )


def run_bare(folder: Path, warehouse: Path) -> None:
    """Run the models of the floor on what was filled in."""
    from dagster_project.calendar import write_holidays
    from dagster_project.prediction import predict
    from dagster_project.warehouse import current

    connection = duckdb.connect(str(warehouse))
    connection.execute(
        "set TimeZone = 'UTC'; set preserve_insertion_order = false; "
        "set disabled_compression_methods = 'fsst'"
    )
    for name in LAYERS:
        with stage(name):
            today = current(connection).today
            if name == "prediction":
                predict(connection, today=today)
            elif name == "calendar":
                write_holidays(connection, today=today)
            else:
                build(connection, folder / f"{name}.json")
    connection.close()
    os._exit(0)


def run_perennial() -> None:
    """Run the stages as the terminal does."""
    from dagster_project import console, settings, views
    from dagster_project.defs.runs import execute
    from dagster_project.defs.transform import project
    from dagster_project.defs.transform.prediction import TABLES

    chosen = settings.load()
    chosen.export()
    select = [["calendar", "holidays"], *(["prediction", name] for name in TABLES)]
    for layer in ("intermediate", "marts"):
        select += [list(key.path) for key in project.nodes(layer)]
    with console.Progress(quiet=False).shown() as progress:
        result = execute("build", chosen, select=select, on_event=views.follow(progress))
    if not result.success:
        raise RuntimeError(str(result.failures))


def bench(customers: int, lines: int) -> dict[str, Measured]:
    """Measure both, each in a process of its own on a copy of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        house = House(folder / "data")
        (house.data / "landing").mkdir(parents=True)
        environment = house.environment()
        floor = [sys.executable, "-m", "tests.benchmarks.floor"]
        measure([*floor, "compile", str(folder / "floor")], environment)
        house.run("run")
        fill(house.data / "warehouse.duckdb", customers, lines)
        bare = folder / "bare" / "warehouse.duckdb"
        bare.parent.mkdir()
        shutil.copy2(house.data / "warehouse.duckdb", bare)
        for layer in ("intermediate", "marts"):
            path = folder / "floor" / f"{layer}.json"
            nodes = [n for n in json.loads(path.read_text()) if n["resource_type"] != "test"]
            path.write_text(json.dumps(nodes))
        with duckdb.connect(str(bare)) as connection:
            for schema in ("intermediate", "prediction", "marts", "audiences"):
                connection.execute(f"drop schema if exists {schema} cascade")
        module = [sys.executable, "-m", "tests.benchmarks.marts"]
        return {
            "bare": measure([*module, "bare", str(folder / "floor"), str(bare)], environment),
            "perennial": measure([*module, "perennial"], environment),
        }


if __name__ == "__main__":
    if sys.argv[1:2] == ["bare"]:
        run_bare(Path(sys.argv[2]), Path(sys.argv[3]))
    elif sys.argv[1:2] == ["perennial"]:
        run_perennial()
    else:
        parser = argparse.ArgumentParser(description=__doc__)
        parser.add_argument("--customers", type=int, default=1_000_000)
        parser.add_argument("--lines", type=int, default=50_000_000)
        asked = parser.parse_args()
        found = bench(asked.customers, asked.lines)
        for name, measured in found.items():
            stages = ", ".join(f"{s} {t:.1f} s {m:.0f} MB" for s, (t, m) in measured.stages.items())
            print(f"{name}: {measured.seconds:.1f} s, {measured.peak:.0f} MB ({stages})")  # noqa: T201
        ratio = found["perennial"].seconds / found["bare"].seconds
        print(f"{asked.customers:,} customers, {asked.lines:,} order lines: {ratio:.2f}")  # noqa: T201
