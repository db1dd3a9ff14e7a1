"""Raw and quarantine without somebody: file by file, with what landed still known."""

import csv
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.publishing.erasure.tombstones import ErasedPeople, hashed
from sources import find_table
from sources.contract import Table
from sources.loader import forgetting
from sources.loader.forgetting import Traces
from sources.loader.load import LoadReport, create_views, load_table

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SALT = "salt"
MEMBERS, EVENTS, RECEIPTS = map(find_table, ("pos.members", "web.events", "pos.receipt_lines"))
OWN = (("email", "anasilva@gmail.com"), ("loyalty_id", "L100001"), ("anonymous_id", "browser-1"))
TIED = (("payment_card", "card-0001"),)
ERASED = ErasedPeople(
    tuple(
        [hashed(value, kind=kind, salt=SALT) for kind, value in OWN]
        + [hashed(value, kind=f"shared {kind}", salt=SALT) for kind, value in TIED]
    ),
    SALT,
    "PT",
)
VALUES = [value for _, value in OWN]
ANA = {"loyalty_id": "L100001", "given_name": "Ana", "family_name": "Quixote"}
ANA |= {"birth_date": "1980-02-03", "email": "Ana.Silva@gmail.com"}
RUI = {"loyalty_id": "L200002", "given_name": "Rui", "email": "rui@example.com"}


def land(data: Path, table: Table, name: str, rows: Sequence[dict[str, Any]]) -> None:
    path = data / "landing" / table.source / table.name / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        if name.endswith(".ndjson"):
            file.writelines(json.dumps(row) + "\n" for row in rows)
        else:
            writer = csv.DictWriter(file, list(dict.fromkeys(k for row in rows for k in row)))
            writer.writeheader()
            writer.writerows(rows)


def load(data: Path, table: Table, **options: Any) -> LoadReport:
    return load_table(table, data, loaded_at=NOW, **options)


def forget(data: Path, table: Table) -> Traces:
    return forgetting.forget(data, table, ERASED, values=VALUES)


def rows(data: Path, table: Table, columns: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        create_views(connection, data)
        return connection.execute(
            f"select {columns} from raw.{table.full_name} order by all"
        ).fetchall()


def event(number: int, **more: Any) -> dict[str, Any]:
    named = {"type": "track", "event": "x", "messageId": f"m{number}", "anonymousId": "somebody"}
    return named | {"timestamp": "2024-05-01T10:00:00Z"} | more


@pytest.mark.parametrize("files", [1, 40], ids=["one file", "many made one"])
def test_the_rows_are_gone_and_what_landed_is_still_known(tmp_path: Path, files: int) -> None:
    for number in range(files):
        ana = [ANA] if number % 2 == 0 else []
        land(tmp_path, MEMBERS, f"{number}.csv", [*ana, RUI | {"city": f"c{number}"}])
    load(tmp_path, MEMBERS)
    mail = rows(tmp_path, MEMBERS, "_landed_file, _line, city")

    looked = forgetting.find(tmp_path, MEMBERS, ERASED)
    found = forget(tmp_path, MEMBERS)
    assert found.rows == looked.rows == (files + 1) // 2
    assert found.written == {("loyalty_id", "L100001"), ("email", "Ana.Silva@gmail.com")}
    assert found.called == {("Ana", "Quixote", "1980-02-03")}
    assert rows(tmp_path, MEMBERS, "_landed_file, _line, city") == [
        row for row in mail if row[2] is not None
    ]
    raw = b"".join(path.read_bytes() for path in (tmp_path / "raw").rglob("*.parquet"))
    assert b"Quixote" not in raw

    assert forget(tmp_path, MEMBERS).files == set()
    again = load(tmp_path, MEMBERS, erased=ERASED)
    assert (again.files_new, again.rows) == (0, 0)
    assert sum(held.row_count for held in again.history.held) == files
    anew = load(tmp_path, MEMBERS, erased=ERASED, anew=True)
    assert (anew.rows, anew.rows_erased) == (files, (files + 1) // 2)


def test_rows_of_others_keep_all_but_the_persons_values(tmp_path: Path) -> None:
    land(
        tmp_path,
        EVENTS,
        "a.ndjson",
        [
            event(1, anonymousId="browser-1"),
            event(2, properties={"note": "from ana.silva@gmail.com, anasilva@gmail.com!"}),
            event(3, properties={"note": "mariana.silva@gmail.com"}, extra={"by": "L100001"}),
        ],
    )
    load(tmp_path, EVENTS)
    found = forget(tmp_path, EVENTS)
    assert (found.rows, found.mentioning) == (1, 2)
    assert rows(tmp_path, EVENTS, "messageId, properties ->> 'note', _extra ->> '$.extra.by'") == [
        ("m2", "from ana.silva@gmail.com, erased!", None),
        ("m3", "mariana.silva@gmail.com", "erased"),
    ]


def test_what_another_person_carries_too_stays_theirs(tmp_path: Path) -> None:
    line = {"receipt_id": "r", "store_id": "S", "sold_at": "2024-05-01T10:00:00", "line_no": 1}
    line |= {"product_id": "p", "quantity": 1, "line_amount": "2.50", "currency": "EUR"}
    card = {"payment_card_hash": "card-0001"}
    land(
        tmp_path,
        RECEIPTS,
        "a.csv",
        [
            line | {"receipt_id": "hers"} | card,
            line | {"receipt_id": "hers too", "loyalty_id": "L100001"} | card,
            line | {"receipt_id": "his", "loyalty_id": "L200002"} | card,
            line | {"receipt_id": "nobody's"},
        ],
    )
    load(tmp_path, RECEIPTS)
    assert forget(tmp_path, RECEIPTS).rows == 2
    left = [("his", "card-0001"), ("nobody's", None)]
    assert rows(tmp_path, RECEIPTS, "receipt_id, payment_card_hash") == left
    assert load(tmp_path, RECEIPTS, erased=ERASED, anew=True).rows_erased == 2
    assert rows(tmp_path, RECEIPTS, "receipt_id, payment_card_hash") == left


@pytest.mark.parametrize("files", [1, 20])
def test_quarantine_keeps_nothing_of_the_person_now_and_later(tmp_path: Path, files: int) -> None:
    def land_broken(name: str) -> None:
        for number in range(files):
            broken = [each | {"birth_date": f"no {name} {number}"} for each in (ANA, RUI)]
            land(tmp_path, MEMBERS, f"{name}{number}.csv", [*broken, RUI])

    land_broken("before")
    assert load(tmp_path, MEMBERS).rows_rejected == 2 * files
    assert forget(tmp_path, MEMBERS).quarantined == files
    land_broken("after")
    report = load(tmp_path, MEMBERS, erased=ERASED)
    assert (report.rows, report.rows_rejected, report.rows_erased) == (files, files, files)
    with duckdb.connect() as connection:
        refused = connection.execute(
            f"""select "row" from '{tmp_path}/quarantine/pos/members/*.parquet'"""
        ).fetchall()
    assert len(refused) == 2 * files
    assert not any("Quixote" in row for (row,) in refused)


def test_killed_between_two_files_the_rest_is_done_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        land(tmp_path, MEMBERS, f"{number}.csv", [ANA | {"city": f"c{number}"}, RUI])
    load(tmp_path, MEMBERS)
    left = [2]
    write = forgetting.rewrite_raw

    def stop(*arguments: Any, **options: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        write(*arguments, **options)

    monkeypatch.setattr(forgetting, "rewrite_raw", stop)
    with pytest.raises(KeyboardInterrupt):
        forget(tmp_path, MEMBERS)
    monkeypatch.undo()
    assert load(tmp_path, MEMBERS).files_new == 0
    assert forget(tmp_path, MEMBERS).rows == 1
    assert rows(tmp_path, MEMBERS, "loyalty_id") == [("L200002",)] * 3


def test_what_a_killed_load_left_goes_too(tmp_path: Path) -> None:
    land(tmp_path, MEMBERS, "a.csv", [RUI])
    load(tmp_path, MEMBERS)
    folders = (tmp_path / "raw/pos/members", tmp_path / "quarantine/pos/members")
    for folder in folders:
        (folder / ".half.tmp").write_text("Quixote")
    spilled = tmp_path / ".loader" / ".pos_members.1.tmp"
    spilled.mkdir()
    (spilled / "page").write_text("Quixote")
    forget(tmp_path, MEMBERS)
    assert not any((folder / ".half.tmp").exists() for folder in folders)
    assert not spilled.exists()
