"""What is known of each customer on a day, from purchase days alone, and what came of it later.

Days are whole numbers, counted from 1970-01-01.
"""

from dataclasses import dataclass
from datetime import date
from functools import cached_property

import duckdb
import numpy as np
import pyarrow as pa

from dagster_project.database import read
from dagster_project.prediction.likelihood import Array

EPOCH = date(1970, 1, 1)
# The last so many days make what somebody bought lately.
LATELY = (30, 90, 180)


@dataclass(frozen=True)
class Facts:
    """One row a customer, by profile_id: what was known at the end of the day `seen_on`."""

    seen_on: int
    table: pa.Table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def column(self, name: str) -> Array:
        """A column as numbers; what isn't known is not a number."""
        return np.asarray(self.table[name].to_numpy(), dtype=np.float64)

    def thinned(self, at_most: int) -> "Facts":
        """Every so many rows, so that about `at_most` are left."""
        step = -(-len(self) // at_most)
        rows = np.arange(0, len(self), step) if step > 1 else None
        return self if rows is None else Facts(self.seen_on, self.table.take(rows))

    @cached_property
    def repeats(self) -> Array:
        """Purchase days after the first."""
        return np.asarray(self.column("purchase_days") - 1)

    @cached_property
    def recency(self) -> Array:
        """Days from the first to the last purchase."""
        return np.asarray(self.column("last_on") - self.column("first_on"))

    @cached_property
    def age(self) -> Array:
        """Days since the first purchase, at least `recency`."""
        return np.maximum(self.seen_on - self.column("first_on"), self.recency)

    @cached_property
    def silence(self) -> Array:
        """Days since the last purchase; 0 where a store east of here already has tomorrow."""
        return np.asarray(self.age - self.recency)

    @cached_property
    def rhythm(self) -> Array:
        """Mean days between purchase days; of whoever bought once not a number."""
        unknown = np.full(len(self), np.nan)
        return np.asarray(
            np.divide(self.recency, self.repeats, out=unknown, where=self.repeats > 0)
        )

    @cached_property
    def irregularity(self) -> Array:
        """Coefficient of variation of the days between purchases; 1, as chance has it, below 3."""
        spread = self.column("squared_gaps") / np.maximum(self.repeats, 1) - self.rhythm**2
        known = self.repeats >= 2
        return np.divide(
            np.sqrt(np.maximum(spread, 0)), self.rhythm, out=np.ones(len(self)), where=known
        )


def gather(connection: duckdb.DuckDBPyConnection, *, at_most: int | None = None) -> None:
    """Make _prediction_days: profile_id, day, gap (days since the one before), value.

    And _prediction_sample: the same of a fair sample of `at_most` customers, or of all of them.
    """
    connection.execute(
        f"""
        create or replace temp table _prediction_days as
        select profile_id, purchased_on - date '{EPOCH}' as day,
            day - lag(day) over (partition by profile_id order by day) as gap,
            net_reporting_amount as value
        from intermediate.int_purchase_days
        where profile_id is not null
        """
    )
    (count,) = connection.execute(
        "select count(distinct profile_id) from _prediction_days"
    ).fetchone() or (0,)
    step = -(-count // at_most) if at_most else 1
    connection.execute(
        f"""
        create or replace temp table _prediction_sample as
        with drawn as (
            from (select distinct profile_id from _prediction_days)
            where ('0x' || left(md5(profile_id), 8))::ubigint % {max(step, 1)} = 0
        )
        from _prediction_days semi join drawn using (profile_id)
        """
    )


def release(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop what `gather` made."""
    for name in ("_prediction_sample", "_prediction_days"):
        connection.execute(f"drop table if exists {name}")


def whole(day: date) -> int:
    """The day as a number."""
    return (day - EPOCH).days


def beginning(connection: duckdb.DuckDBPyConnection) -> int | None:
    """The first purchase day of the sample; None where nobody ever bought."""
    row = connection.execute("select min(day) from _prediction_sample").fetchone()
    return row[0] if row else None


def known_on(
    connection: duckdb.DuckDBPyConnection, seen_on: int, *, days: int = 0, is_today: bool = False
) -> Facts:
    """The facts of everybody in the sample who had bought by then.

    `days`: how far to look at what came next, in columns later_purchases and later_value. Today
    includes what a store east of here sold tomorrow.
    """
    return _facts(connection, "_prediction_sample", seen_on, days, is_today=is_today)


def known_today(connection: duckdb.DuckDBPyConnection, today: int) -> Facts:
    """The facts of every customer."""
    return _facts(connection, "_prediction_days", today, 0, is_today=True)


def _facts(
    connection: duckdb.DuckDBPyConnection, source: str, seen_on: int, days: int, *, is_today: bool
) -> Facts:
    seen = "true" if is_today else f"day <= {seen_on}"
    lately = ", ".join(
        f"count(*) filter (known and day > {seen_on - of_late}) as lately_{of_late}"
        for of_late in LATELY
    )
    table = read(
        connection,
        f"""
        select profile_id,
            count(*) filter (known) as purchase_days,
            min(day) filter (known) as first_on,
            max(day) filter (known) as last_on,
            sum(gap * gap) filter (known) as squared_gaps,
            count(*) filter (known and value > 0) as paid_days,
            -- Sums of decimals are exact: no order of rows changes a digit.
            sum(value) filter (known and value > 0)::double / nullif(paid_days, 0) as mean_value,
            {lately},
            count(*) filter (later) as later_purchases,
            coalesce(sum(value) filter (later), 0)::double as later_value
        from (
            select *, {seen} as known, not known and day <= {seen_on + days} as later
            from {source}
        ) as told
        group by profile_id
        having purchase_days > 0
        order by profile_id
        """,
    )
    return Facts(seen_on, table)
