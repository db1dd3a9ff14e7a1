"""A retailer's own matching model, from the command to the build that uses it."""

from pathlib import Path

from tests.e2e.house import House


def test_a_model_that_was_learnt_here_is_used_and_a_damaged_one_named(house: House) -> None:
    models = house.data / "identity"
    said = house.succeed("identity", "train", "--dry-run")
    assert "Nothing is saved" in said
    assert not models.exists()
    assert "model-0001.json" in house.succeed("identity", "train")
    house.succeed("run")
    before = house.published_bytes()
    (models / "model-0001.json").write_text("{")
    refused = house.run("run")
    assert refused.returncode != 0
    assert "model-0001.json is no matching model" in refused.stdout + refused.stderr
    assert house.published_bytes() == before


def test_training_before_the_first_run_says_to_run(tmp_path: Path) -> None:
    done = House(tmp_path / "data").run("identity", "train")
    assert done.returncode == 1
    assert "`perennial run` writes it" in done.stderr
    assert len(done.stderr.splitlines()) == 1
