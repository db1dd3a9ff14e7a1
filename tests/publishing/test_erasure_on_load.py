"""Erasure survives replay: an erased person's rows aren't loaded, whichever file brings them."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from dagster_project.publishing import ledger as ledger_file
from dagster_project.publishing.erasure.tombstones import SaltChangedError, read_erased
from sources import find_table
from sources.contract import Table
from sources.loader.load import LoadReport, create_views, load_table

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SALT = "salt"
MEMBERS, RECEIPTS, ORDERS, EVENTS = map(
    find_table, ("pos.members", "pos.receipt_lines", "erp.orders", "web.events")
)
# As identity compares them.
ERASED = {
    "email": "anasilva@gmail.com",
    "phone": "+351912345678",
    "loyalty_id": "L1",
    "erp_customer_id": "C1",
    "anonymous_id": "a1",
    "tax_id": "PT123",
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "landing").mkdir()
    with ledger_file.opened(tmp_path / "ledger.duckdb") as connection:
        for kind, value in ERASED.items():
            connection.execute(
                "insert into erasures select ?, sha256(concat_ws('|', ?, ?, ?)), ?",
                [kind, SALT, kind, value, NOW],
            )
        connection.execute(
            "insert into facts values ('erasure_salt_check', sha256(? || '|perennial'))", [SALT]
        )
    return tmp_path


def load(data: Path, table: Table, *, anew: bool = False) -> LoadReport:
    erased = read_erased(data / "ledger.duckdb", salt=SALT, default_country="PT")
    return load_table(table, data, loaded_at=NOW, erased=erased, anew=anew)


def rows(data: Path, table: Table, columns: str) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        create_views(connection, data)
        return connection.execute(
            f"select {columns} from raw.{table.full_name} order by all"
        ).fetchall()


def land(data: Path, table: Table, name: str, rows: list[dict[str, object]]) -> None:
    path = data / "landing" / table.source / table.name / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        if name.endswith(".ndjson"):
            file.writelines(json.dumps(row) + "\n" for row in rows)
        else:
            names = list(dict.fromkeys(key for row in rows for key in row))
            writer = csv.DictWriter(file, names, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


@pytest.mark.parametrize(
    "person",
    [
        {"loyalty_id": "L1"},
        {"loyalty_id": " L1 "},
        {"email": "Ana.Silva+shop@GoogleMail.com"},
        {"phone": "912 345 678"},
        {"phone": "00351912345678"},
        {"tax_id": "pt-123"},
    ],
    ids=str,
)
@pytest.mark.parametrize("files", [1, 20])
def test_a_row_that_names_an_erased_person_in_any_spelling_is_not_loaded(
    data: Path, person: dict[str, object], files: int
) -> None:
    for number in range(files):
        other = {"loyalty_id": f"L-{number}", "email": f"rui{number}@example.com"}
        land(data, MEMBERS, f"{number}.csv", [other | person, other, {"loyalty_id": f"x{number}"}])
    report = load(data, MEMBERS)
    assert (report.rows, report.rows_erased, report.rows_rejected) == (2 * files, files, 0)
    names = {f"L-{number}" for number in range(files)} | {f"x{number}" for number in range(files)}
    assert {name for (name,) in rows(data, MEMBERS, "loyalty_id")} == names
    assert {line for (line,) in rows(data, MEMBERS, "_line")} == {3, 4}
    assert load(data, MEMBERS).files_new == 0


def test_the_person_is_known_wherever_a_table_names_people(data: Path) -> None:
    def event(number: int, **more: object) -> dict[str, object]:
        named = {"type": "track", "event": "x", "messageId": f"m{number}", "anonymousId": "b"}
        return named | {"timestamp": "2024-05-01T10:00:00Z"} | more

    land(
        data,
        EVENTS,
        "a.ndjson",
        [
            event(1, anonymousId="a1"),
            event(2, type="alias", previousId="a1"),
            event(3, traits={"email": "ana.silva@gmail.com"}),
            event(4, context={"traits": {"phone": "+351 912 345 678"}}),
            event(5, properties={"email": "anasilva@gmail.com"}),
            event(6, traits={"loyalty_id": "L1"}),
            event(7, traits={"email": "rui@example.com"}),
            event(8, properties={"note": "anasilva@gmail.com"}),
        ],
    )
    assert load(data, EVENTS).rows_erased == 6
    assert rows(data, EVENTS, "messageId, _line") == [("m7", 7), ("m8", 8)]
    order = {
        "ordered_at": "2024-05-01T10:00:00Z",
        "status": "delivered",
        "currency": "EUR",
        "total_amount": "5",
    }
    land(
        data,
        ORDERS,
        "a.csv",
        [order | {"order_id": 1, "customer_id": "C1"}, order | {"order_id": 2, "customer_id": ""}],
    )
    assert load(data, ORDERS).rows_erased == 1
    assert rows(data, ORDERS, "order_id") == [("2",)]


def test_a_table_made_anew_is_without_those_erased_since(data: Path) -> None:
    land(data, MEMBERS, "a.csv", [{"loyalty_id": "L1"}, {"loyalty_id": "L2"}])
    load_table(MEMBERS, data, loaded_at=NOW)
    assert len(rows(data, MEMBERS, "loyalty_id")) == 2
    assert load(data, MEMBERS).files_new == 0
    assert load(data, MEMBERS, anew=True).rows_erased == 1
    assert rows(data, MEMBERS, "loyalty_id") == [("L2",)]


def test_no_file_of_raw_has_the_erased_persons_values(data: Path) -> None:
    for name, erased in (("with.csv", "Quixote"), ("without.csv", None)):
        people = [{"loyalty_id": f"x{n}", "family_name": f"name{n}"} for n in range(50)]
        if erased:
            people.append({"loyalty_id": "L1", "family_name": erased})
        land(data, MEMBERS, name, people)
    load(data, MEMBERS)
    assert b"Quixote" not in raw_bytes(data)
    control = data / "control"
    (control / "landing" / "pos").mkdir(parents=True)
    land(control, MEMBERS, "with.csv", [{"loyalty_id": "L1", "family_name": "Quixote"}])
    load_table(MEMBERS, control, loaded_at=NOW)
    assert b"Quixote" in b"".join(
        path.read_bytes() for path in (control / "raw").rglob("*.parquet")
    )


def raw_bytes(data: Path) -> bytes:
    return b"".join(path.read_bytes() for path in (data / "raw").rglob("*.parquet"))


def test_with_another_salt_nothing_is_loaded(data: Path) -> None:
    with pytest.raises(SaltChangedError, match="loaded"):
        read_erased(data / "ledger.duckdb", salt="another", default_country="PT")


def test_nobody_erased_costs_nothing(tmp_path: Path) -> None:
    assert read_erased(tmp_path / "ledger.duckdb", salt=SALT, default_country="PT") is None
