"""Dirt: what is listed is what was planted, and nothing else changed."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from contract_rules import breaks_the_contract
from sample_worlds import lines_of

from sources import tables
from sources.loader.load import load_table
from sources.sample import WorldReport

WHOLE_FILES = {"truncated_file", "misnamed_file", "wrong_checksum", "repacked_file", "resent_file"}


def _listed(report: WorldReport) -> list[tuple[str, str, str, int | None, str, str, str | None]]:
    return duckdb.sql(
        'select source, "table", file, line, category, kind, record_key '
        f"from '{report.truth}/dirt.parquet'"
    ).fetchall()


def test_a_clean_world_lists_no_dirt(clean: WorldReport) -> None:
    assert clean.dirt == 0
    assert _listed(clean) == []


def test_at_least_twenty_five_kinds_are_planted_over_all_tables(dirty: WorldReport) -> None:
    listed = _listed(dirty)

    assert len(listed) == dirty.dirt
    assert len({(kind) for *_, category, kind, _ in listed if category == "malformed"}) >= 25
    assert {category for *_, category, _, _ in listed} == {"malformed", "duplicated", "late"}
    assert {f"{source}/{table}" for source, table, *_ in listed} == set(dirty.rows)


def test_every_listed_line_is_what_the_list_says(dirty: WorldReport) -> None:
    pages: dict[str, list[bytes]] = {}
    checked = 0
    for source, table, file, line, category, kind, _ in _listed(dirty):
        if line is None or file.endswith(".parquet"):
            continue
        page = pages.setdefault(file, lines_of(dirty.landing / file))
        broken = breaks_the_contract(f"{source}/{table}", page[line - 1], page[0])
        assert broken == (category == "malformed"), (file, line, kind, page[line - 1])
        checked += 1
    assert checked > 500


def test_whatever_isnt_listed_keeps_the_contract(dirty: WorldReport) -> None:
    listed = {(file, line) for _, _, file, line, *_ in _listed(dirty)}
    checked = 0
    for file in sorted(dirty.landing.rglob("*")):
        path = str(file.relative_to(dirty.landing))
        if not file.is_file() or file.suffix in (".parquet", ".sha256") or (path, None) in listed:
            continue
        name = "/".join(path.split("/")[:2])
        page = lines_of(file)
        start = 1 if ".csv" in file.suffixes else 0
        for number, line in enumerate(page[start::7], start):
            checked += 1
            position = start + (number - start) * 7
            if (path, position + 1) not in listed:
                assert not breaks_the_contract(name, line, page[0]), (path, position + 1, line)
    assert checked > 5000


def test_without_the_listed_lines_the_world_is_the_clean_one(
    clean: WorldReport, dirty: WorldReport
) -> None:
    listed = _listed(dirty)
    added = {(file, line) for _, _, file, line, category, *_ in listed if category != "late"}

    def rows(landing: Path, table: str, without: set[tuple[str, int | None]]) -> Counter[bytes]:
        counted: Counter[bytes] = Counter()
        for file in sorted((landing / table).rglob("*")):
            path = str(file.relative_to(landing))
            if (
                not file.is_file()
                or file.suffix in (".sha256", ".parquet")
                or (path, None) in without
            ):
                continue
            counted.update(
                line for n, line in enumerate(lines_of(file), 1) if (path, n) not in without
            )
        return counted

    for table in dirty.rows:
        assert rows(dirty.landing, table, added) == rows(clean.landing, table, set()), table


def test_a_late_event_lands_in_a_much_later_file(dirty: WorldReport) -> None:
    late = [entry for entry in _listed(dirty) if entry[4] == "late" and entry[1] == "events"]

    assert late
    for source, _, file, line, _, _, key in late:
        assert key in lines_of(dirty.landing / file)[line - 1].decode()
        assert file == max(
            str(path.relative_to(dirty.landing))
            for path in (dirty.landing / source).rglob("events-????-??-??.*")
        )


@pytest.mark.parametrize("kind", sorted(WHOLE_FILES))
def test_a_file_gone_wrong_is_of_the_kind_it_is_listed_as(dirty: WorldReport, kind: str) -> None:
    files = [dirty.landing / entry[2] for entry in _listed(dirty) if entry[5] == kind]

    assert len(files) >= 5
    for file in files:
        content = file.read_bytes()
        if kind == "truncated_file":
            assert file.suffix in (".gz", ".parquet") or not content.endswith(b"\n")
        elif kind == "misnamed_file":
            assert (content[:4] == b"PAR1") != (file.suffix == ".parquet")
        elif kind == "wrong_checksum":
            assert file.with_name(f"{file.name}.sha256").read_text().startswith("0" * 64)
        elif kind == "resent_file":
            others = [other for other in file.parent.iterdir() if other != file]
            assert content in [other.read_bytes() for other in others]
        else:
            assert file.suffix == ".gz"
            assert lines_of(file)


def test_parquet_rows_without_a_key_are_listed_by_their_row(dirty: WorldReport) -> None:
    listed = [entry for entry in _listed(dirty) if entry[2].endswith("_corrections.parquet")]

    assert {entry[5] for entry in listed} >= {
        "missing_order_id",
        "missing_line_no",
        "missing_product_id",
        "resent_row",
    }
    for _, _, file, line, _, kind, _ in listed:
        rows = duckdb.sql(f"from '{dirty.landing / file}'")
        row = dict(zip(rows.columns, rows.fetchall()[line - 1], strict=True))
        if kind == "resent_row":
            assert all(row[key] is not None for key in row if key.endswith(("_id", "_no")))
        else:
            assert row[kind.removeprefix("missing_")] is None


def test_the_platform_refuses_exactly_what_is_listed_as_malformed(dirty: WorldReport) -> None:
    data = dirty.landing.parent
    for table in tables():
        load_table(table, data, loaded_at=datetime(2026, 11, 22, 11, tzinfo=UTC))
    refused = duckdb.sql(f"select landed_file, line from '{data}/quarantine/*/*/*.parquet'")

    assert Counter(refused.fetchall()) == Counter(
        (file, line) for _, _, file, line, category, *_ in _listed(dirty) if category == "malformed"
    )
