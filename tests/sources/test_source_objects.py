"""Landing and raw on an object store: an S3 on this machine, and the working copy beside it."""

import dataclasses
import hashlib
import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest
from landed import EVENT, EVENTS, LOADED_AT, RECEIPTS, World, csv_text, event

from sources.contract import Rule, SourceError, Table
from sources.loader.load import LoadReport, load_table
from sources.loader.objects import Objects
from sources.loader.store import Store
from tests.cloud import running

RAW = "columns(* exclude (_loaded_at))"


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    with running() as found:
        yield found


@dataclasses.dataclass(frozen=True)
class Cloud:
    """A bucket, and a world whose data directory is only its working copy."""

    world: World
    bucket: str
    s3: Any

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/retailer"

    def land(self, table: Table, name: str, content: str | bytes) -> None:
        body = content.encode() if isinstance(content, str) else content
        self.s3.put_object(Bucket=self.bucket, Key=self.key(table, name), Body=body)

    def key(self, table: Table, name: str) -> str:
        return f"retailer/landing/{table.source}/{table.name}/{name}"

    def load(self, table: Table, *, anew: bool = False) -> LoadReport:
        return load_table(table, self.world.data, loaded_at=LOADED_AT, url=self.url, anew=anew)

    def names(self, stage: str = "") -> list[str]:
        listed = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=f"retailer/{stage}")
        return [found["Key"].removeprefix("retailer/") for found in listed.get("Contents", [])]

    def elsewhere(self, data: Path) -> "Cloud":
        """Another machine on the same bucket."""
        return dataclasses.replace(self, world=World(data))


@pytest.fixture
def cloud(environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    bucket = hashlib.sha256(str(tmp_path).encode()).hexdigest()[:30]
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=bucket)
    return Cloud(World(tmp_path / "data"), bucket, s3)


def land_all(to: Cloud | World) -> None:
    """Files of every kind and defect."""
    rows = [{"receipt_id": f"r{n}"} for n in range(50)]
    to.land(RECEIPTS, "2024/good.csv", csv_text(*rows))
    to.land(RECEIPTS, "dirty.csv", csv_text({"line_no": "x"}, {"receipt_id": "fine"}))
    to.land(RECEIPTS, "quoted.csv", csv_text({"product_name": '"a, b"'}))
    to.land(RECEIPTS, "cut.csv", csv_text({"receipt_id": "cut"})[:-4])
    to.land(RECEIPTS, "wrong.csv", csv_text({"receipt_id": "wrong"}))
    to.land(RECEIPTS, "wrong.csv.sha256", "0" * 64)
    to.land(RECEIPTS, "_on its way.csv", csv_text({"receipt_id": "soon"}))
    to.land(RECEIPTS, ".hidden/a.csv", csv_text({"receipt_id": "hidden"}))
    to.land(RECEIPTS, "Brânză [1]*?.csv", csv_text({"receipt_id": "odd name"}))
    to.land(RECEIPTS, "no ending", csv_text({}))


def test_a_bucket_gives_the_rows_that_a_folder_gives(cloud: Cloud, tmp_path: Path) -> None:
    local = World(tmp_path / "local")
    land_all(cloud)
    land_all(local)
    reports = [cloud.load(RECEIPTS), local.load(RECEIPTS)]
    assert [(r.files_seen, r.files_new, r.rows, r.rejected_by_rule) for r in reports] == [
        (
            7,
            4,
            53,
            {"invalid_integer": 1, "file_truncated": 1, "file_checksum": 1, "file_format": 1},
        )
    ] * 2
    assert cloud.world.raw(RECEIPTS, RAW) == local.raw(RECEIPTS, RAW)
    assert cloud.world.quarantine(RECEIPTS) == local.quarantine(RECEIPTS)
    stages = [name for name in cloud.names() if not name.startswith("landing/")]
    assert sorted(stages) == local.files()


def test_a_second_load_reads_no_object_again(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        cloud.land(EVENTS, f"{number}.ndjson", event(messageId=f'"{number}"') + "\n")
    assert cloud.load(EVENTS).files_new == 30
    fetched: list[str] = []
    fetch = Objects.fetch

    def counted(objects: Objects, path: str, target: Path) -> None:
        fetched.append(path)
        fetch(objects, path, target)

    monkeypatch.setattr(Objects, "fetch", counted)
    assert cloud.load(EVENTS).files_seen == 30
    assert fetched == []
    cloud.land(EVENTS, "31.ndjson", event(messageId='"31"') + "\n")
    assert cloud.load(EVENTS).files_new == 1
    assert fetched == [cloud.key(EVENTS, "31.ndjson").removeprefix("retailer/")]


def test_another_machine_goes_on_from_what_the_bucket_holds(cloud: Cloud, tmp_path: Path) -> None:
    cloud.land(EVENTS, "a.ndjson", EVENT + "\n{\n")
    cloud.load(EVENTS)
    other = cloud.elsewhere(tmp_path / "other")
    assert other.load(EVENTS).files_new == 0
    assert other.world.raw(EVENTS) == cloud.world.raw(EVENTS)
    assert other.world.quarantine(EVENTS) == [(2, "malformed_json")]
    other.land(EVENTS, "b.ndjson", event(messageId='"m2"') + "\n")
    assert other.load(EVENTS).files_new == 1
    assert cloud.load(EVENTS).files_new == 0
    assert len(cloud.world.raw(EVENTS)) == 2


def test_a_working_copy_that_is_lost_is_fetched_again(cloud: Cloud) -> None:
    cloud.land(EVENTS, "a.ndjson", EVENT + "\n")
    cloud.load(EVENTS)
    rows = cloud.world.raw(EVENTS)
    shutil.rmtree(cloud.world.data)
    assert cloud.load(EVENTS).files_new == 0
    assert cloud.world.raw(EVENTS) == rows


def test_a_table_is_made_anew_in_the_bucket_too(cloud: Cloud, tmp_path: Path) -> None:
    for number in range(40):
        rows = [{"receipt_id": f"{number}-{line}", "line_amount": str(line)} for line in range(4)]
        cloud.land(RECEIPTS, f"{number}.csv", csv_text(*rows))
    cloud.load(RECEIPTS)
    before = cloud.names("raw/")
    strict = dataclasses.replace(
        RECEIPTS, rules=(*RECEIPTS.rules, Rule("cheap", '"line_amount" >= 2', "it is"))
    )
    load_table(strict, cloud.world.data, loaded_at=LOADED_AT, url=cloud.url, anew=True)
    assert cloud.names("raw/") == before  # the same contents, so the same name
    other = cloud.elsewhere(tmp_path / "other")
    assert other.load(RECEIPTS).files_new == 0
    assert len(other.world.raw(RECEIPTS)) == 80
    assert len(other.world.quarantine(RECEIPTS)) == 80


def kill_at(patched: pytest.MonkeyPatch, moment: int) -> None:
    """Be killed before the bucket is changed for the nth time."""
    steps = count()

    def counted(act: Callable[..., object]) -> Callable[..., object]:
        def step(*arguments: object) -> object:
            if next(steps) == moment:
                raise KeyboardInterrupt
            return act(*arguments)

        return step

    for name in ("put", "delete"):
        patched.setattr(Objects, name, counted(getattr(Objects, name)))


@pytest.mark.parametrize("moment", range(9))
@pytest.mark.parametrize("moved", [False, True])
def test_a_kill_while_the_bucket_is_written_loses_and_doubles_nothing(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int, moved: bool
) -> None:
    monkeypatch.setattr("sources.loader.compaction._MOST_SMALL", 4)
    for number in range(4):
        cloud.land(EVENTS, f"{number}.ndjson", event(messageId=f'"{number}"') + "\n{\n")
    with monkeypatch.context() as patched:
        kill_at(patched, moment)
        for _ in range(3):
            try:
                cloud.load(EVENTS)
            except KeyboardInterrupt:
                break
    again = cloud.elsewhere(tmp_path / "other") if moved else cloud
    again.load(EVENTS)
    assert len(again.world.raw(EVENTS)) == 4
    assert again.world.quarantine(EVENTS) == [(2, "malformed_json")] * 4
    third = cloud.elsewhere(tmp_path / "third")
    assert third.load(EVENTS).files_new == 0
    assert len(third.world.raw(EVENTS)) == 4
    assert len(third.world.quarantine(EVENTS)) == 4


@pytest.mark.parametrize("moment", range(5))
def test_a_kill_while_a_table_made_anew_is_written_back_is_mended_where_it_was(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    for number in range(4):
        cloud.land(EVENTS, f"{number}.ndjson", event(messageId=f'"{number}"') + "\n{\n")
        cloud.load(EVENTS)
    with monkeypatch.context() as patched:
        kill_at(patched, moment)
        with pytest.raises(KeyboardInterrupt):
            cloud.load(EVENTS, anew=True)
    cloud.load(EVENTS)
    assert len(cloud.world.raw(EVENTS)) == 4
    other = cloud.elsewhere(tmp_path / "other")
    assert other.load(EVENTS).files_new == 0
    assert len(other.world.raw(EVENTS)) == 4
    assert len(other.world.quarantine(EVENTS)) == 4


def test_elsewhere_a_table_half_written_back_is_named_rather_than_read(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.land(EVENTS, "a.ndjson", EVENT + "\n{\n")
    cloud.load(EVENTS)
    with monkeypatch.context() as patched:
        kill_at(patched, 1)
        with pytest.raises(KeyboardInterrupt):
            cloud.load(EVENTS, anew=True)
    with pytest.raises(SourceError, match="was being made anew"):
        cloud.elsewhere(tmp_path / "other").load(EVENTS)


def test_a_bucket_that_cant_be_used_says_what_to_do(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SourceError, match=r"can't be listed.*the bucket exists"):
        load_table(EVENTS, tmp_path, loaded_at=LOADED_AT, url="s3://no-such-bucket-here/x")
    with pytest.raises(SourceError, match=r"There is nothing in s3://.*/landing"):
        cloud.load(EVENTS)
    with pytest.raises(SourceError, match="can't be opened"):
        load_table(EVENTS, tmp_path, loaded_at=LOADED_AT, url="nowhere://x")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("sources.loader.objects._RETRY", {"max_retries": 0})
    with pytest.raises(SourceError) as caught:
        Objects(cloud.url).below("landing")
    assert "testing" not in str(caught.value)


def test_nothing_that_was_fetched_stays(cloud: Cloud) -> None:
    land_all(cloud)
    cloud.load(RECEIPTS)
    left = Store(cloud.world.data).fetched_file("x").parent
    assert list(left.iterdir()) == []
    assert Store(cloud.world.data).raw_files(RECEIPTS)
