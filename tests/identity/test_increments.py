"""Ids last: from day to day, through a rebuild, through any order of what landed."""

from pathlib import Path

import pytest
from increments import Day, Life

DAYS = 3


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    return Life(tmp_path_factory.mktemp("life"), days=DAYS, every=40, customers=60)


@pytest.fixture(scope="module")
def days(life: Life) -> list[Day]:
    return list(life.live())


def test_from_day_to_day_an_id_changes_only_as_the_log_tells_and_leads_on(days: list[Day]) -> None:
    assert len(days) == DAYS + 1
    assert sum(day.moved for day in days) > 0
    assert [day.wrong for day in days] == [0] * len(days)


def test_a_rebuild_from_landing_alone_gives_every_id_back(life: Life, days: list[Day]) -> None:
    assert life.different(life.rebuild("alone")) == []


def test_any_order_of_rows_in_any_files_gives_every_id_back(life: Life, days: list[Day]) -> None:
    assert life.different(life.rebuild("shuffled", shuffled=1)) == []


def test_the_counts_see_ids_that_are_given_up_and_a_log_that_is_lost(
    life: Life, tmp_path: Path
) -> None:
    unsalted = Life(tmp_path, days=2, every=1, customers=20, models=life.models)
    lived = unsalted.live()
    assert next(lived).wrong == 0
    unsalted.salt = "another"
    renamed = next(lived)
    assert renamed.needless > 0
    assert renamed.unexplained == renamed.astray == 0
    unsalted.salt, unsalted.forgets = "a third", True
    forgotten = next(lived)
    assert forgotten.unexplained == forgotten.moved > 0
    assert forgotten.astray == forgotten.former > 0
