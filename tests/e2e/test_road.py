"""The whole road, as a person walks it: files land, a run, a delivery, and the next day."""

import csv
import shutil
from pathlib import Path

from dagster_project.channels.receiver import LocalReceiver
from dagster_project.publishing.gates import STAGES
from tests.e2e.house import House

SECRET = "a secret of the test"


def _webhook(receiver: LocalReceiver) -> dict[str, str]:
    return {
        "PERENNIAL_WEBHOOK_URL": receiver.url,
        "PERENNIAL_WEBHOOK_SECRET": SECRET,
        "PERENNIAL_WEBHOOK_ALLOWED_HOSTS": "127.0.0.1",
    }


def _raw_files(house: House) -> list[str]:
    return sorted(path.name for path in (house.data / "raw").rglob("*.parquet"))


def _newest_receipts(house: House) -> Path:
    return max((house.data / "landing/pos/receipt_lines").rglob("*.csv"))


def test_every_stage_holds_something_after_a_run(built: House) -> None:
    stages = dict(built.query("select stage, sum(row_count) from meta.tables group by stage"))
    assert set(stages) == set(STAGES)
    assert all(count > 0 for count in stages.values()), stages


def test_every_mart_of_the_contract_holds_rows(built: House) -> None:
    sizes = {table: count for table, (count, _) in built.content().items()}
    # No merge can have happened before the first build. A small world may lack an audience, and
    # need not hold people who contradict each other, may be one or live together.
    may_be_empty = {
        f"marts.{name}"
        for name in (
            "identity_history",
            "identity_redirects",
            "identity_cut_links",
            "identity_review",
            "households",
            "household_members",
            "household_links",
        )
    }
    marts = {table for table in sizes if table.startswith("marts.")}
    assert may_be_empty < marts
    assert all(sizes[table] for table in marts - may_be_empty), sizes


def test_a_second_run_with_nothing_new_changes_no_row(house: House) -> None:
    before, raw = house.content(), _raw_files(house)
    house.succeed("run")
    assert house.content() == before
    assert _raw_files(house) == raw


def test_a_warehouse_lost_and_a_file_sent_again_under_another_name_change_nothing(
    house: House,
) -> None:
    before, raw = house.content(), _raw_files(house)
    (house.data / "warehouse.duckdb").unlink()
    newest = _newest_receipts(house)
    shutil.copyfile(newest, newest.with_name("sent-again.csv"))
    house.succeed("run")
    assert house.content() == before
    assert _raw_files(house) == raw


def test_a_table_made_anew_by_the_same_rules_changes_no_row(house: House) -> None:
    before = house.content()
    said = house.run("run", "--reprocess", "pos.receipt_lines", "--reprocess", "web_events")
    assert said.returncode == 0, said.stderr
    assert said.stderr.count("was made anew: raw") == 2
    assert house.content() == before


def test_two_channels_acknowledge_and_a_second_delivery_sends_nothing(house: House) -> None:
    with LocalReceiver(SECRET) as receiver:
        house.succeed("publish", **_webhook(receiver))
        state = house.document("status")
        syncs = {(s["audience"], s["channel"]): s for s in state["syncs"]}
        assert {channel for _, channel in syncs} == {"file", "webhook"}
        assert all(s["state"] == "done" for s in syncs.values())
        for audience, members in receiver.members.items():
            assert syncs[audience, "webhook"]["acknowledged_count"] == len(members)
        sent = set().union(*receiver.members.values())
        applied = receiver.applied_records
        files = sorted((house.data / "channels" / "file").rglob("*.csv"))
        assert files
        house.succeed("publish", **_webhook(receiver))
        assert receiver.applied_records == applied
        assert sorted((house.data / "channels" / "file").rglob("*.csv")) == files
    _nobody_was_sent_without_consent(house, sent)


def _nobody_was_sent_without_consent(house: House, sent: set[str]) -> None:
    granted = {
        profile_id
        for (profile_id,) in house.query(
            "select profile_id from marts.customer_consents "
            "where channel = 'email' and purpose = 'marketing' and state = 'granted'"
        )
    }
    members = {
        profile_id
        for (name,) in house.query("select name from meta.audiences")
        for (profile_id,) in house.query(f"select profile_id from audiences.{name}")
    }
    assert sent
    assert sent <= granted
    # The sample has members without consent: without the rule they would have been sent.
    assert members - granted


def test_one_new_receipt_changes_only_the_person_who_bought(house: House) -> None:
    [(person, card)] = house.query(
        "select profile_id, min(identifier_value) from marts.customer_identifiers "
        "where identifier_type = 'loyalty_id' and not is_demoted group by profile_id "
        "having count(distinct identifier_value) = 1 order by profile_id limit 1"
    )
    before = _people(house)
    newest = _newest_receipts(house)
    with newest.open(encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file))
    row |= {"receipt_id": "one-more", "sold_at": "2026-03-28T10:00:00", "loyalty_id": card}
    row |= dict.fromkeys(("email", "phone", "payment_card_hash", "original_receipt_id"), "")
    row |= {"quantity": "1", "unit_price": "7.00", "discount_amount": "0", "line_amount": "7.00"}
    with newest.with_name("one-more.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, row, lineterminator="\n")
        writer.writeheader()
        writer.writerow(row)
    [(orders,)] = house.query("select count(*) from marts.customer_orders")
    house.succeed("run")
    assert house.query("select count(*) from marts.customer_orders") == [(orders + 1,)]
    after = _people(house)
    assert {p for p in before.keys() | after.keys() if before.get(p) != after.get(p)} == {person}


def _people(house: House) -> dict[str, tuple[object, ...]]:
    """What is told of each person alone; return estimates look at everybody."""
    return {row[0]: row for row in house.query("select * from marts.customer_profiles")}


def test_as_of_decides_what_is_known(house: House) -> None:
    house.succeed("run", "--as-of", "2025-10-01")
    [(latest,)] = house.query("select max(ordered_at)::date::varchar from marts.customer_orders")
    assert latest <= "2025-10-01"


def test_a_person_is_shown_and_forgotten(house: House) -> None:
    house.succeed("publish", "--channel", "file")
    [(email, person)] = house.query(
        "select email, profile_id from audiences.first_purchase "
        "join marts.customer_consents using (profile_id) "
        "where channel = 'email' and purpose = 'marketing' and state = 'granted' "
        "order by email limit 1"
    )
    shown = house.document("profile", "show", email)
    assert shown["profile"]["profile_id"] == person
    assert shown["identifiers"]
    house.succeed("profile", "forget", email)
    assert house.run("profile", "show", email).returncode == 1
    assert not house.query(f"select * from audiences.first_purchase where profile_id = '{person}'")
