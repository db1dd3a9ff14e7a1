"""`write_world`: a whole landing zone on real shopping, and the truth beside it."""

import shutil
import tempfile
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from sources.sample.browsing import make_browsing
from sources.sample.dirt import plant_dirt, write_list
from sources.sample.dirt_files import Planted
from sources.sample.engagement import make_engagement
from sources.sample.engine import HOUSEHOLDS, Order, Progress, SampleError, open_scratch
from sources.sample.erp import prepare_erp
from sources.sample.landing import write_landing
from sources.sample.names import read_names
from sources.sample.people import make_people
from sources.sample.pos import prepare_pos
from sources.sample.purchases import make_purchases
from sources.sample.rendering import prepare_rendering
from sources.sample.shopping import read_shopping
from sources.sample.truth import write_truth


@dataclass(frozen=True)
class WorldReport:
    """What was written: where, how many people, and rows by `<source>/<table>`."""

    landing: Path
    truth: Path
    customers: int
    people: int
    rows: dict[str, int]
    files: int
    dirt: int
    first_day: date
    last_day: date


def write_world(
    to: Path,
    *,
    customers: int = HOUSEHOLDS,
    seed: int = 1,
    as_of: datetime,
    lines_per_receipt: int | None = None,
    dirty: float = 0.0,
    progress: Progress | None = None,
) -> WorldReport:
    """Write `<to>/landing` and `<to>/truth`, the same bytes for the same arguments.

    The world is written beside its place and moved there when it is whole: a sample that was killed
    leaves no landing zone, and the next one starts afresh. `progress` is told each step's name.
    `dirty` is the share of malformed, duplicated and late records, listed in truth/dirt.parquet.

    Raises SampleError where the landing zone isn't empty or the folder can't be written.
    """
    order = Order(customers, seed, as_of, lines_per_receipt, dirty)
    landing, truth = to / "landing", to / "truth"
    _refuse_what_is_there(landing)
    try:
        to.mkdir(parents=True, exist_ok=True)
        for leftover in to.glob(".sample-*.part"):
            shutil.rmtree(leftover)
        workshop = Path(tempfile.mkdtemp(prefix=".sample-", suffix=".part", dir=to))
    except OSError as error:
        raise SampleError(
            f"{to} can't be written ({error.strerror}): "
            "choose another folder, or mend its permissions."
        ) from error
    try:
        report = _draw(order, workshop, landing, truth, progress or (lambda _step: None))
        _put_in_place(workshop, landing, truth)
    except (OSError, duckdb.IOException) as error:
        raise SampleError(
            f"{to} can't be written ({error}): "
            "check the free space and the permissions, then try again."
        ) from error
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    return report


def _draw(
    order: Order, workshop: Path, landing: Path, truth: Path, progress: Progress
) -> WorldReport:
    connection = open_scratch(workshop / "scratch", order)
    try:
        progress("shopping")
        read_shopping(connection)
        progress("people")
        read_names(connection)
        make_people(connection)
        progress("purchases")
        make_purchases(connection)
        progress("events")
        make_browsing(connection)
        make_engagement(connection)
        prepare_pos(connection)
        prepare_erp(connection)
        prepare_rendering(connection)
        first_day = _value(connection, "select getvariable('first_on')")
        landed = write_landing(
            connection,
            workshop / "landing",
            first_day,
            order.last_day + timedelta(days=1),
            progress,
        )
        progress("truth")
        write_truth(connection, workshop / "truth")
        people = _value(connection, "select count(*) from persons")
    finally:
        connection.close()
    planted: list[Planted] = []
    if order.dirty:
        progress("dirt")
        planted = plant_dirt(workshop / "landing", landed, order.dirty, order.seed)
        write_list(planted, workshop / "truth" / "dirt.parquet")
    return WorldReport(
        landing=landing,
        truth=truth,
        customers=order.customers,
        people=people,
        rows=landed.rows(),
        files=len(landed.files),
        dirt=len(planted),
        first_day=first_day,
        last_day=order.last_day,
    )


def _value(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    row = connection.execute(query).fetchone()
    return row[0] if row else None


def _refuse_what_is_there(landing: Path) -> None:
    if landing.is_dir() and any(landing.iterdir()):
        raise SampleError(
            f"{landing} isn't empty: a sample world is only written into an empty landing zone. "
            "Choose another folder, or move what is there away."
        )
    if landing.exists() and not landing.is_dir():
        raise SampleError(f"{landing} is a file: choose another folder.")


def _put_in_place(workshop: Path, landing: Path, truth: Path) -> None:
    """Truth first: a landing zone is never there without it."""
    if truth.exists():
        shutil.rmtree(truth)
    (workshop / "truth").rename(truth)
    if landing.exists():
        landing.rmdir()
    (workshop / "landing").rename(landing)
