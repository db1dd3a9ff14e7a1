"""The whole road with landing and raw in a bucket."""

from pathlib import Path

import boto3
import pytest

from tests import cloud
from tests.e2e.house import House

BUCKET = "retailer-data"


def test_a_run_on_a_bucket_publishes_what_a_run_on_a_folder_does(
    built: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cloud.running() as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        files = [path for path in (built.data / "landing").rglob("*") if path.is_file()]
        for path in files:
            s3.upload_file(str(path), BUCKET, f"shop/{path.relative_to(built.data).as_posix()}")
        house = House(tmp_path / "work")
        house.succeed("run", PERENNIAL_DATA=f"s3://{BUCKET}/shop", PERENNIAL_WORK=str(house.data))
        assert house.content() == built.content()
        assert not (house.data / "landing").exists()
        there = s3.list_objects_v2(Bucket=BUCKET, Prefix="shop/raw/")["Contents"]
        raw = [path for path in (house.data / "raw").rglob("[!_]*.parquet") if path.is_file()]
        assert len(there) == len(raw) > 10
