"""A person forgotten on a whole installation: searched for before and after, killed in between."""

import random
import signal
import time
from collections.abc import Sequence

import duckdb
import pytest

from dagster_project.publishing.erasure.search import Search
from tests.e2e.house import House

PLACES = {"raw", "quarantine", "channels", ".dagster", "warehouse.duckdb", "published.duckdb"}
ENROLLED = "2026-03-01T10:00:00"
NEW_PERSON = f"L-new,New,Person,,,new.person@example.org,,,,,PT,,{ENROLLED},{ENROLLED},,,,\n"
MEMBERS, AGAIN = "landing/pos/members", "landing/pos/members/old-list-again.csv"


@pytest.fixture
def person(house: House) -> str:
    """The e-mail of somebody whom a channel holds, with values planted where none should be."""
    house.succeed("publish", "--channel", "file")
    with duckdb.connect(str(house.data / "ledger.duckdb"), read_only=True) as ledger:
        held = [row[0] for row in ledger.execute("select profile_id from membership").fetchall()]
    email, loyalty_id = house.query(
        f"""
        select p.email, i.identifier_value
        from marts.customer_profiles as p
        inner join marts.customer_identifiers as i using (profile_id)
        where
            p.email is not null and not i.is_demoted and i.identifier_type = 'loyalty_id'
            and profile_id in {tuple(held)}
        order by all limit 1
        """
    )[0]
    broken = f"loyalty_id,email,birth_date\n{loyalty_id},{email},not a date\nL-other,o@x.pt,no\n"
    (house.data / MEMBERS / "broken.csv").write_text(broken)
    (house.data / ".dagster" / "somebody.log").write_text(f"mail to {email} failed\n")
    return str(email)


def places(house: House, values: Sequence[str]) -> set[str]:
    return set(Search(tuple(values)).everywhere(house.data))


def values_of(house: House, email: str) -> list[str]:
    """Every identifier that is the person's alone."""
    return [
        row[0]
        for row in house.query(
            f"""
            select distinct identifier_value from marts.customer_identifiers
            where not is_demoted and length(identifier_value) >= 6 and profile_id = (
                select profile_id from marts.customer_profiles where email = '{email}')
            """
        )
    ]


def test_a_person_is_forgotten_everywhere_and_no_old_file_brings_them_back(
    house: House, person: str
) -> None:
    house.succeed("run")
    values = values_of(house, person)
    before = places(house, values)
    assert before == PLACES
    others = house.query("select count(*) from marts.customer_profiles")[0][0] - 1

    looked = house.document("profile", "forget", person, "--dry-run")
    assert places(house, values) == before
    report = house.document("profile", "forget", person)
    assert places(house, values) == set()
    for place in ("raw rows", "quarantined rows", "published rows"):
        assert report["found"][place] == looked["found"][place] > 0, place
    assert report["found"]["logs and notes"] == 1
    assert report["landed"] == looked["landed"]
    assert f"{MEMBERS}/broken.csv" in report["landed"]
    assert "forgotten before" in house.succeed("profile", "forget", person)
    assert house.run("profile", "forget", "nobody@example.org").returncode == 1

    [landed] = [name for name in report["landed"] if name.endswith("members-initial.csv")]
    with (house.data / landed).open() as old, (house.data / AGAIN).open("w") as again:
        again.writelines(old)
        again.write(NEW_PERSON)
    house.succeed("run", "--reprocess", "pos.receipt_lines")
    assert places(house, values) == set()
    assert values_of(house, "new.person@example.org")
    assert house.query("select count(*) from marts.customer_profiles")[0][0] == others + 1


def test_an_erasure_killed_at_any_moment_is_finished_by_the_next(house: House, person: str) -> None:
    values = values_of(house, person)
    chance = random.Random(7)
    for _ in range(4):
        process = house.start("profile", "forget", person)
        time.sleep(chance.uniform(2.0, 8.0))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    house.succeed("profile", "forget", person)
    assert places(house, values) == set()


def test_two_erasures_and_a_build_keep_apart(house: House, person: str) -> None:
    build = house.start("run")
    lock = house.data / ".build.lock"
    while lock.read_text().strip() != str(build.pid):
        assert build.poll() is None
        time.sleep(0.05)
    said = house.run("profile", "forget", person)
    build.communicate(timeout=280)
    assert (said.returncode, build.returncode) == (1, 0)
    assert "under way in process" in said.stderr
    both = [house.start("profile", "forget", person) for _ in range(2)]
    ended = [(process.communicate(timeout=280)[1], process.returncode) for process in both]
    assert sorted(code for _, code in ended) == [0, 1]
    assert any("under way in process" in text for text, _ in ended)
    with duckdb.connect(str(house.published), read_only=True) as connection:
        found = connection.execute(
            "select count(*) from marts.customer_profiles where email = ?", [person]
        ).fetchone()
    assert found == (0,)
