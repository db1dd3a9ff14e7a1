"""Money lines in four currencies of none, two and three decimals: the sums are Decimal's own.

python -m tests.sources.money --lines 10000000
"""

import argparse
import random
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from sources.loader.load import create_views, load_table
from tests.sources.landed import RECEIPT, RECEIPTS

DECIMALS = {"EUR": 2, "RON": 2, "JPY": 0, "KWD": 3}
FORMATS = ("csv", "ndjson", "parquet")
_LINES_A_FILE = 500_000
# The most that the contract's DECIMAL(18,4) holds: a double is wrong from the sixteenth digit on.
_MOST_UNITS = 10**14 - 1
_BIG_ONE_IN = 50
Lines = list[tuple[str, str]]


def lines(count: int, chance: random.Random) -> Lines:
    """Amounts as a till writes them, with their currencies; one in fifty of fourteen digits."""
    found = []
    for _ in range(count):
        currency, decimals = chance.choice(tuple(DECIMALS.items()))
        units = chance.randrange(_MOST_UNITS if not chance.randrange(_BIG_ONE_IN) else 10_000)
        cents = f".{chance.randrange(10**decimals):0{decimals}}" if decimals else ""
        found.append((f"{units}{cents}", currency))
    return found


def _write(path: Path, written: Lines, first: int) -> None:
    head = RECEIPT | {"quantity": "1"}
    if path.suffix == ".parquet":
        amounts, currencies = zip(*written, strict=True)
        columns = {name: pa.repeat(text, len(written)) for name, text in head.items()}
        columns["receipt_id"] = pa.array([f"r{first + at}" for at in range(len(written))])
        columns["line_amount"] = pa.array(amounts).cast(pa.decimal128(17, 3))
        columns["currency"] = pa.array(currencies)
        pq.write_table(pa.table(columns), path)
        return
    constant = {name: head[name] for name in ("store_id", "sold_at", "line_no", "product_id")}
    with path.open("w", encoding="utf-8") as stream:
        if path.suffix == ".csv":
            stream.write(f"receipt_id,line_amount,currency,quantity,{','.join(constant)}\n")
            tail = f",1,{','.join(constant.values())}\n"
            stream.writelines(f"r{first + at},{a},{c}{tail}" for at, (a, c) in enumerate(written))
            return
        tail = ",".join(f'"{name}":"{text}"' for name, text in constant.items())
        tail = f'"quantity":1,{tail}}}\n'
        stream.writelines(
            f'{{"receipt_id":"r{first + at}","line_amount":{a},"currency":"{c}",{tail}'
            for at, (a, c) in enumerate(written)
        )


def wrong_sums(folder: Path, ending: str, count: int, seed: int = 1) -> dict[str, Decimal]:
    """By how much each currency's sum in raw is off, after landing and loading so many lines."""
    chance = random.Random(seed)
    truth = dict.fromkeys(DECIMALS, Decimal(0))
    landing = folder / "landing" / "pos" / "receipt_lines"
    landing.mkdir(parents=True)
    with ExitStack() as exact:
        exact.enter_context(localcontext()).prec = 60
        for first in range(0, count, _LINES_A_FILE):
            written = lines(min(_LINES_A_FILE, count - first), chance)
            for amount, currency in written:
                truth[currency] += Decimal(amount)
            _write(landing / f"{first:09}.{ending}", written, first)
        report = load_table(RECEIPTS, folder, loaded_at=datetime.now(UTC))
        if report.rows != count:
            raise RuntimeError(f"All lines should load: {report}")
        found = dict(_sums(folder))
        return {currency: found[currency] - total for currency, total in truth.items()}


def _sums(folder: Path) -> Iterator[tuple[str, Decimal]]:
    with duckdb.connect() as connection:
        create_views(connection, folder)
        yield from connection.execute(
            "select currency, sum(line_amount) from raw.pos_receipt_lines group by currency"
        ).fetchall()


def main() -> None:
    """Print by how much each sum is off."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=10_000_000)
    chosen = parser.parse_args()
    wrong = False
    for ending in FORMATS:
        with tempfile.TemporaryDirectory() as folder:
            off = wrong_sums(Path(folder), ending, chosen.lines)
        wrong |= any(off.values())
        shown = ", ".join(f"{currency} off by {by}" for currency, by in off.items())
        print(f"{ending}, {chosen.lines} lines: {shown}", flush=True)  # noqa: T201
    raise SystemExit(wrong)


if __name__ == "__main__":
    main()
