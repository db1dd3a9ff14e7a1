"""A wrong record costs at most the two people it names; a value that many use costs nobody."""

import pytest
from poison import POISONS, POPULAR, Town


@pytest.fixture(scope="module")
def town() -> Town:
    return Town(records=12_000)


@pytest.mark.parametrize("unnamed", [False, True])
def test_wrong_records_change_nobody_but_the_two_that_each_of_them_names(
    town: Town, *, unnamed: bool
) -> None:
    harm = town.poisoned(*POISONS, unnamed=unnamed)
    assert 0 < harm.joined <= 2 * len(POISONS)
    assert harm.most_joined == 2
    assert harm.outsiders == 0


def test_values_that_many_people_use_change_nobody(town: Town) -> None:
    harm = town.flooded(*POPULAR, people=1_200)
    assert (harm.joined, harm.outsiders) == (0, 0)


@pytest.mark.parametrize("kind", ["an e-mail on browsers", "an e-mail on receipts by card"])
def test_a_contact_of_a_dozen_people_with_cards_and_browsers_of_their_own_changes_nobody(
    town: Town, kind: str
) -> None:
    harm = town.flooded(kind, people=12)
    assert (harm.joined, harm.outsiders) == (0, 0)


def test_the_count_sees_what_happens_to_others(town: Town) -> None:
    town.connection.execute(
        "update before set profile_id = profile_id || '?' "
        "where signal_id = (select max(signal_id) from before)"
    )
    assert town.poisoned("an alias of another's account", unnamed=True).outsiders > 0
