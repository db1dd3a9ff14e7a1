"""A file that isn't whole, or isn't what its name says, is refused whole and says why."""

import gzip
import hashlib
import os
import random
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from landed import EVENT, EVENTS, MEMBERS, RECEIPT, RECEIPTS, TABLES, World, csv_text, event

from sources.contract import SourceError

GOOD = f"{EVENT}\n".encode() * 3
GOOD_CSV = csv_text({}).encode()


def parquet(columns: dict[str, pa.Array]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return bytes(sink.getvalue())


RECEIPT_COLUMNS = {name: pa.array([value]) for name, value in RECEIPT.items()}
GOOD_PARQUET = parquet(RECEIPT_COLUMNS)


def bent(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


DEFECTS = [
    ("cut.ndjson", GOOD[:-5], "file_truncated"),
    ("no_last_line_end.ndjson", GOOD[:-1], "file_truncated"),
    ("empty.ndjson", b"", "file_empty"),
    ("empty_gz.ndjson.gz", gzip.compress(b""), "file_empty"),
    ("cut_utf16.ndjson", "\n".join([EVENT] * 3).encode("utf-16"), "file_truncated"),
    ("utf16_without_mark.ndjson", GOOD.decode().encode("utf-16-le"), "file_not_its_name"),
    ("utf32.ndjson", GOOD.decode().encode("utf-32"), "file_not_utf8"),
    ("is_gzip.ndjson", gzip.compress(GOOD), "file_not_its_name"),
    ("isnt_gzip.ndjson.gz", GOOD, "file_not_its_name"),
    ("cut.ndjson.gz", gzip.compress(GOOD)[:-9], "file_truncated"),
    ("cut_text.ndjson.gz", gzip.compress(GOOD[:-2]), "file_truncated"),
    ("bad_crc.ndjson.gz", bent(gzip.compress(GOOD), -6), "file_corrupt"),
    ("bad_stream.ndjson.gz", bent(gzip.compress(os.urandom(5_000)), 2_000), "file_corrupt"),
    ("array.ndjson", b'[\n{"a":1},\n{"a":2}\n]\n', "file_not_its_name"),
    ("page.ndjson", b"<!DOCTYPE html><html>502 Bad Gateway</html>\n", "file_not_its_name"),
    ("noise.ndjson", bytes(range(256)) * 4 + b"\0" * 400 + b"\n", "file_not_its_name"),
    ("events.xlsx", b"PK\x03\x04 etc", "file_format"),
    ("events.json", GOOD, "file_format"),
    ("README", b"hello\n", "file_format"),
]
CSV_DEFECTS = [
    ("cut.csv", GOOD_CSV[:-3], "file_truncated"),
    ("cut_header.csv", GOOD_CSV[:20], "file_truncated"),
    ("is_parquet.csv", GOOD_PARQUET, "file_not_its_name"),
    ("is_excel.csv", b"PK\x03\x04" + b"x" * 50 + b"\n", "file_not_its_name"),
    ("page.csv", b"\n <html>\n", "file_not_its_name"),
    ("no_header.csv", GOOD_CSV.split(b"\n", 1)[1], "file_columns_missing"),
    ("colons.csv", GOOD_CSV.replace(b",", b":"), "file_columns_missing"),
    ("lacks_one.csv", GOOD_CSV.replace(b"currency", b"money"), "file_columns_missing"),
    ("twice.csv", csv_text({"SOLD_AT": "x"}).encode(), "file_columns_repeated"),
    ("latin_header.csv", "preço,".encode("latin1") + GOOD_CSV, "file_not_utf8"),
    ("quote_in_header.csv", b'"' + GOOD_CSV, "file_header"),
    ("cut.csv.gz", gzip.compress(GOOD_CSV[:-1]), "file_truncated"),
]
PARQUET_DEFECTS = [
    ("cut.parquet", GOOD_PARQUET[:-40], "file_truncated"),
    ("is_csv.parquet", GOOD_CSV, "file_not_its_name"),
    ("empty.parquet", b"", "file_empty"),
    ("bad_footer.parquet", GOOD_PARQUET[:-60] + b"\xff" * 52 + GOOD_PARQUET[-8:], "file_corrupt"),
    (
        "lacks_one.parquet",
        parquet({k: v for k, v in RECEIPT_COLUMNS.items() if k != "store_id"}),
        "file_columns_missing",
    ),
    (
        "nested.parquet",
        parquet(RECEIPT_COLUMNS | {"receipt_id": pa.array([{"a": 1}])}),
        "file_column_type",
    ),
    (
        "bytes.parquet",
        parquet(RECEIPT_COLUMNS | {"receipt_id": pa.array([b"\xff"])}),
        "file_column_type",
    ),
]
ALL_DEFECTS = [
    *((EVENTS, *defect) for defect in DEFECTS),
    *((RECEIPTS, *defect) for defect in [*CSV_DEFECTS, *PARQUET_DEFECTS]),
]


@pytest.mark.parametrize(
    ("table", "name", "content", "rule"), ALL_DEFECTS, ids=[defect[1] for defect in ALL_DEFECTS]
)
def test_a_defective_file_is_refused_whole(
    world: World, table: object, name: str, content: bytes, rule: str
) -> None:
    assert table in (EVENTS, RECEIPTS)
    table = EVENTS if table is EVENTS else RECEIPTS
    path = world.land(table, "placeholder", b"")
    path.unlink()
    path.with_name(name).write_bytes(content)
    report = world.load(table)
    assert (report.files_rejected, report.files_new, report.rows) == (1, 0, 0)
    assert report.rejected_by_rule == {rule: 1}
    landed = f"{table.source}/{table.name}/{name}"
    ((file, line, found, message, row),) = world.quarantine(
        table, "landed_file, line, rule, message, row"
    )
    assert (file, line, found, row) == (landed, None, rule, None)
    assert message.startswith("the file ")
    assert world.raw(table) == []
    before = world.files()
    assert world.load(table).files_rejected == 1
    assert world.files() == before


def test_damaged_parquet_pages_refuse_the_file(world: World) -> None:
    words = pa.array([f"{random.Random(number).random()}" for number in range(5_000)])
    columns = {name: pa.array([value] * 5_000) for name, value in RECEIPT.items()}
    content = parquet(columns | {"receipt_id": words})
    middle = len(content) // 2
    broken = content[: middle - 500] + b"\xff" * 1_000 + content[middle + 500 :]
    world.land(RECEIPTS, "bad_pages.parquet", broken)
    world.load(RECEIPTS)
    assert world.quarantine(RECEIPTS) == [(None, "file_corrupt")]
    assert world.raw(RECEIPTS) == []


@pytest.mark.parametrize("name", ["a.ndjson", "a.ndjson.gz"])
def test_no_cut_of_a_file_is_taken_for_the_whole(world: World, name: str) -> None:
    whole = "".join(event(messageId=f'"é{number}"') + "\n" for number in range(40)).encode()
    landed = world.land(EVENTS, name, whole)
    content = landed.read_bytes()
    landed.unlink()
    cuts = random.Random(7).sample(range(1, len(content)), 60)
    for cut in cuts:
        landed.with_name(f"{cut}.{name}").write_bytes(content[:cut])
    report = world.load(EVENTS)
    at_line_end = [cut for cut in cuts if name == "a.ndjson" and content[cut - 1 : cut] == b"\n"]
    assert report.files_rejected == len(cuts) - len(at_line_end)
    assert report.rejected_by_rule.keys() <= {"file_truncated", "file_not_its_name", "file_corrupt"}


def test_no_cut_of_a_receipts_file_is_taken_for_the_whole(world: World) -> None:
    content = csv_text(*({"line_no": str(number)} for number in range(30))).encode()
    content = content[:-1]  # with the last line end there it is whole
    landed = world.land(RECEIPTS, "whole.csv", content)
    landed.unlink()
    cuts = random.Random(8).sample(range(1, len(content)), 60)
    cuts = [cut for cut in cuts if content[cut - 1 : cut] != b"\n"]
    for cut in cuts:
        landed.with_name(f"{cut}.csv").write_bytes(content[:cut])
    report = world.load(RECEIPTS)
    assert (report.files_rejected, report.rows) == (len(cuts), 0)


def sidecar(path: Path, digest: str) -> Path:
    beside = path.with_name(path.name + ".sha256")
    beside.write_text(digest)
    return beside


def test_a_checksum_that_differs_refuses_the_file_until_it_is_right(world: World) -> None:
    path = world.land(EVENTS, "a.ndjson", GOOD)
    sidecar(path, "0" * 64 + "  a.ndjson\n")
    assert world.load(EVENTS).rejected_by_rule == {"file_checksum": 1}
    sidecar(path, hashlib.sha256(GOOD).hexdigest().upper() + " *a.ndjson\n")
    assert world.load(EVENTS).rows == 3
    assert world.quarantine(EVENTS) == []


@pytest.mark.parametrize("stated", ["", "pending\n", "\x00\x01"])
def test_a_checksum_that_is_none_refuses_the_file(world: World, stated: str) -> None:
    sidecar(world.land(EVENTS, "a.ndjson", GOOD), stated)
    assert world.load(EVENTS).rejected_by_rule == {"file_checksum": 1}


@pytest.mark.parametrize("name", ["a.ndjson", "a.ndjson.gz"])
def test_a_right_checksum_vouches_for_a_file_without_last_line_end(world: World, name: str) -> None:
    path = world.land(EVENTS, name, GOOD[:-1])
    assert world.load(EVENTS).rejected_by_rule == {"file_truncated": 1}
    sidecar(path, hashlib.sha256(path.read_bytes()).hexdigest())
    assert world.load(EVENTS).rows == 3
    assert world.quarantine(EVENTS) == []


@pytest.mark.parametrize("name", [".a.ndjson", "_a.ndjson", "a.ndjson.tmp", "a.ndjson.part"])
def test_what_is_still_on_its_way_is_not_there_yet(world: World, name: str) -> None:
    world.land(EVENTS, "_SUCCESS", b"")
    path = world.land(EVENTS, "placeholder", GOOD)
    path.rename(path.with_name(name))
    folder = world.land(EVENTS, "_incoming/b.ndjson", GOOD)
    assert folder.exists()
    assert world.load(EVENTS).files_seen == 0


def test_a_file_that_changes_while_it_is_read_is_left_for_the_next_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sources.loader.copying import Copying

    path = world.land(EVENTS, "a.ndjson", GOOD)
    run = Copying.run

    def slow(copying: Copying) -> tuple[int, int]:
        with path.open("ab") as stream:
            stream.write(GOOD)
        return run(copying)

    with monkeypatch.context() as patched:
        patched.setattr(Copying, "run", slow)
        report = world.load(EVENTS)
    assert (report.files_changing, report.rows) == (1, 0)
    assert world.raw(EVENTS) == []
    assert world.load(EVENTS).rows == 6


@pytest.mark.parametrize("change", ["gone", "cut", "emptied", "half a row more"])
@pytest.mark.parametrize("name", ["a.csv", "quoted.csv", "a.ndjson"])
def test_a_file_that_is_broken_off_or_taken_away_while_it_is_read_is_no_fault_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str, change: str
) -> None:
    from sources.loader.copying import Copying

    table = EVENTS if name == "a.ndjson" else RECEIPTS
    content = GOOD if table is EVENTS else csv_text({"product_name": '"a"' if "q" in name else "a"})
    path = world.land(table, name, content)
    if table is RECEIPTS:
        world.land(table, "other.csv", csv_text({}))
    run = Copying.run

    def meddled(copying: Copying) -> tuple[int, int]:
        if copying.source.file.path == path:
            size = path.stat().st_size
            with path.open("ab") as stream:
                stream.write(b'{"st')
                stream.truncate({"cut": size - 5, "emptied": 0}.get(change))
            if change == "gone":
                path.unlink()
        return run(copying)

    with monkeypatch.context() as patched:
        patched.setattr(Copying, "run", meddled)
        report = world.load(table)
    assert (report.files_changing, report.files_rejected) == (1, 0)
    assert report.rows == (table is RECEIPTS)
    assert world.quarantine(table) == []


def test_a_link_out_of_the_landing_zone_is_refused(world: World, tmp_path: Path) -> None:
    secret = tmp_path / "secret.ndjson"
    secret.write_bytes(GOOD)
    folder = world.land(EVENTS, "good.ndjson", GOOD + GOOD).parent
    (folder / "link.ndjson").symlink_to(secret)
    (folder / "broken.ndjson").symlink_to(tmp_path / "nowhere")
    (folder / "round.ndjson").symlink_to(folder / "round.ndjson")
    (folder / "folder").symlink_to("/etc")
    (folder / "inside.ndjson").symlink_to(folder / "good.ndjson")
    os.mkfifo(folder / "pipe.ndjson")
    report = world.load(EVENTS)
    assert (report.files_seen, report.files_new, report.rows) == (7, 1, 6)
    assert report.rejected_by_rule == {"file_outside_landing": 2, "file_unreadable": 3}


def test_a_link_to_a_file_inside_is_that_file(world: World) -> None:
    folder = world.land(EVENTS, "day/good.ndjson", GOOD).parent
    (folder.parent / "latest.ndjson").symlink_to(folder / "good.ndjson")
    report = world.load(EVENTS)
    assert (report.files_seen, report.files_new, report.rows) == (2, 1, 3)


def test_a_file_that_may_not_be_read_is_refused_until_it_may(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = world.land(EVENTS, "a.ndjson", GOOD)
    opened = Path.open

    def forbid(self: Path, *arguments: object, **options: object) -> object:
        if self == path:
            raise PermissionError(13, "Permission denied")
        return opened(self, *arguments, **options)  # type: ignore[call-overload]

    with monkeypatch.context() as patched:  # root may read whatever the mode says
        patched.setattr(Path, "open", forbid)
        assert world.load(EVENTS).rejected_by_rule == {"file_unreadable": 1}
    assert world.quarantine(EVENTS) == [(None, "file_unreadable")]
    assert world.load(EVENTS).rows == 3
    assert world.quarantine(EVENTS) == []


@pytest.mark.parametrize(
    "name", ["a[1]*?.ndjson", 'o\'clock "x".ndjson', "ș 🙂.ndjson", "a\nb.ndjson"]
)
def test_a_file_may_have_any_name(world: World, name: str) -> None:
    world.land(EVENTS, name, GOOD)
    world.land(RECEIPTS, name.replace("ndjson", "csv"), GOOD_CSV)
    world.land(RECEIPTS, name.replace("ndjson", "parquet"), GOOD_PARQUET)
    assert world.load(EVENTS).rows == 3
    assert world.load(RECEIPTS).rows == 2
    assert {file for (file,) in world.raw(EVENTS, "_landed_file")} == {f"web/events/{name}"}


def test_a_name_that_duckdb_cant_open_keeps_out_no_other_file(world: World) -> None:
    for name in ("x\\[1].csv", "\\*.parquet", "plain.csv"):
        world.land(RECEIPTS, name, GOOD_CSV)
    assert world.load(RECEIPTS).rows == 1
    assert [rule for _, rule in world.quarantine(RECEIPTS)] == ["file_format"] * 2


def test_a_name_that_is_no_text_is_refused(world: World) -> None:
    path = world.land(EVENTS, "placeholder", GOOD)
    path.rename(path.with_name(os.fsdecode(b"caf\xe9.ndjson")))
    world.load(EVENTS)
    assert world.quarantine(EVENTS, "landed_file, rule") == [
        ("web/events/caf\\xe9.ndjson", "file_format")
    ]


def test_the_data_directory_may_have_any_name(tmp_path: Path) -> None:
    world = World(tmp_path / "my [data]*? 'x'")
    world.land(EVENTS, "a.ndjson", GOOD + b"{\n")
    assert world.load(EVENTS).rows == 3
    assert len(world.raw(EVENTS)) == 3


def test_a_folder_that_may_not_be_read_is_no_empty_folder(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = str(world.land(EVENTS, "closed/a.ndjson", GOOD).parent)

    def forbidden(listing: Callable[[str], object]) -> Callable[[str], object]:
        def list_folder(path: str) -> object:
            if str(path) == closed:
                raise PermissionError(13, "Permission denied", closed)
            return listing(path)

        return list_folder

    with monkeypatch.context() as patched:
        for name in ("scandir", "listdir"):
            patched.setattr(os, name, forbidden(getattr(os, name)))
        report = world.load(EVENTS)
    assert report.rejected_by_rule == {"file_unreadable": 1}
    assert world.quarantine(EVENTS, "landed_file") == [("web/events/closed",)]
    assert world.load(EVENTS).rows == 3


def test_a_folder_named_like_a_partition_makes_no_column(tmp_path: Path) -> None:
    world = World(tmp_path / "currency=XXX" / "receipt_id=none")
    world.land(RECEIPTS, "store_id=9/a.parquet", GOOD_PARQUET)
    world.land(EVENTS, "type=alias/a.ndjson", GOOD)
    world.load(RECEIPTS)
    world.load(EVENTS)
    assert world.raw(RECEIPTS, "receipt_id, store_id, currency, _extra") == [
        ("r1", "s1", "EUR", None)
    ]
    assert world.raw(EVENTS, "type, _extra") == [("track", None)] * 3


def test_gzip_may_be_written_in_several_goes(world: World) -> None:
    path = world.land(EVENTS, "a.ndjson.gz", b"")
    path.write_bytes(gzip.compress(GOOD) + gzip.compress(GOOD))
    assert world.load(EVENTS).rows == 6


def test_a_header_of_thousands_of_columns_is_refused(world: World) -> None:
    names = ",".join(f"column_{number}" for number in range(2_000))
    world.land(RECEIPTS, "a.csv", GOOD_CSV.replace(b"\n", f",{names}\n".encode(), 1))
    assert world.load(RECEIPTS).rejected_by_rule == {"file_header": 1}


def test_a_folder_named_like_a_file_is_a_folder(world: World) -> None:
    world.land(EVENTS, "2024.ndjson/a.ndjson", GOOD)
    assert world.load(EVENTS).rows == 3


@pytest.mark.parametrize("name", ["a.CSV", "a.csv.gz", "a.Csv.GZ", "b/c/d.csv"])
def test_formats_go_by_the_name_whatever_its_case(world: World, name: str) -> None:
    content = gzip.compress(GOOD_CSV) if name.lower().endswith(".gz") else GOOD_CSV
    path = world.land(RECEIPTS, "placeholder", content)
    (path.parent / name).parent.mkdir(parents=True, exist_ok=True)
    path.rename(path.parent / name)
    assert world.load(RECEIPTS).rows == 1


def test_a_byte_order_mark_is_no_part_of_the_first_name(world: World) -> None:
    world.land(RECEIPTS, "a.csv", b"\xef\xbb\xbf" + GOOD_CSV)
    world.land(EVENTS, "a.ndjson", b"\xef\xbb\xbf" + GOOD)
    assert world.load(RECEIPTS).rows == 1
    assert world.load(EVENTS).rows == 3


def test_a_header_alone_is_a_file_without_rows(world: World) -> None:
    world.land(RECEIPTS, "a.csv", GOOD_CSV.split(b"\n")[0] + b"\n")
    world.land(EVENTS, "a.ndjson", b"\n \r\n")
    assert (world.load(RECEIPTS).files_new, world.load(EVENTS).files_new) == (1, 1)
    assert (world.load(RECEIPTS).files_new, world.load(EVENTS).files_new) == (0, 0)


def test_optional_columns_may_be_absent(world: World) -> None:
    world.land(RECEIPTS, "a.csv", GOOD_CSV)
    world.land(RECEIPTS, "a.parquet", GOOD_PARQUET)
    assert world.load(RECEIPTS).rows == 2
    assert world.raw(RECEIPTS, "email, _extra") == [(None, None)] * 2


def test_parquet_numbers_of_any_width_become_the_contracts(world: World) -> None:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        target = world.land(TABLES["erp_orders"], "a.parquet", b"")
        connection.execute(
            f"""copy (select 7::tinyint as order_id, timestamptz '2024-05-01 10:00:00+00'
                as ordered_at, 'shipped'::enum ('shipped') as status, 'EUR' as currency,
                12.34::double as total_amount, 0.1::float as discount_amount,
                5::utinyint as shipping_amount, [1, 2] as tags)
            to '{target}' (format parquet)"""
        )
    world.load(TABLES["erp_orders"])
    columns = "order_id, ordered_at::varchar, total_amount::varchar, discount_amount::varchar"
    assert world.raw(TABLES["erp_orders"], f"{columns}, shipping_amount::varchar, _extra") == [
        ("7", "2024-05-01 10:00:00+00", "12.3400", "0.1000", "5.0000", '{"tags":[1,2]}')
    ]


def test_odd_parquet_rows_leave_the_others_alone(world: World) -> None:
    rows = {name: pa.array([value] * 4) for name, value in RECEIPT.items()}
    rows |= {
        "line_amount": pa.array([1.5, float("nan"), float("inf"), 2.5]),
        "store_id": pa.array(["s", "s", "s", None]),
    }
    world.land(RECEIPTS, "a.parquet", parquet(rows))
    report = world.load(RECEIPTS)
    assert (report.rows, report.rows_rejected) == (1, 3)
    assert world.quarantine(RECEIPTS) == [
        (2, "invalid_amount"),
        (3, "invalid_amount"),
        (4, "missing_value"),
    ]
    assert all('"receipt_id":"r1"' in row for (row,) in world.quarantine(RECEIPTS, "row"))


def test_a_parquet_time_without_zone_is_no_time(world: World) -> None:
    naive = pa.array([0], pa.timestamp("us"))
    aware = pa.array([1714557600000000], pa.timestamp("us", "UTC"))
    base = {"ticket_id": pa.array(["t"])}
    world.land(TABLES["erp_tickets"], "naive.parquet", parquet(base | {"opened_at": naive}))
    world.land(TABLES["erp_tickets"], "aware.parquet", parquet(base | {"opened_at": aware}))
    world.load(TABLES["erp_tickets"])
    assert world.quarantine(TABLES["erp_tickets"]) == [(None, "file_column_type")]
    assert len(world.raw(TABLES["erp_tickets"])) == 1
    till = pa.array([1714557600000000], pa.timestamp("us"))
    world.land(RECEIPTS, "local.parquet", parquet(RECEIPT_COLUMNS | {"sold_at": till}))
    world.load(RECEIPTS)
    assert world.raw(RECEIPTS, "sold_at") == [("2024-05-01 10:00:00",)]


def test_a_missing_landing_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no landing folder .*create it") as raised:
        World(tmp_path).load(EVENTS)
    assert "\n" not in str(raised.value)


def test_a_data_directory_that_cant_be_written_says_what_to_do(world: World) -> None:
    world.land(EVENTS, "a.ndjson", GOOD)
    (world.data / "raw").write_text("a file where a folder should be")
    with pytest.raises(SourceError, match="can't be written") as raised:
        world.load(EVENTS)
    assert "\n" not in str(raised.value)


def test_a_full_disk_is_no_fault_of_the_file(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from sources.loader.copying import Copying

    def full(_: Copying) -> tuple[int, int]:
        raise duckdb.IOException("Could not write: No space left on device")

    world.land(EVENTS, "a.ndjson", GOOD)
    with monkeypatch.context() as patched:
        patched.setattr(Copying, "run", full)
        with pytest.raises(SourceError, match="No space left"):
            world.load(EVENTS)
    assert world.quarantine(EVENTS) == []
    assert world.load(EVENTS).rows == 3


def test_members_may_come_as_json(world: World) -> None:
    world.land(MEMBERS, "a.jsonl", '{"loyalty_id":"7","email_marketing":true}\n')
    world.load(MEMBERS)
    assert world.raw(MEMBERS, "loyalty_id, email_marketing") == [("7", True)]
