"""The whole road, as a person walks it: files land, a run, a delivery, and the next day."""

import csv
import shutil

from dagster_project.channels.receiver import LocalReceiver
from tests.e2e.house import AS_OF, House

SECRET = "a secret of the test"


def _webhook(receiver: LocalReceiver) -> dict[str, str]:
    return {
        "PERENNIAL_WEBHOOK_URL": receiver.url,
        "PERENNIAL_WEBHOOK_SECRET": SECRET,
        "PERENNIAL_WEBHOOK_ALLOWED_HOSTS": "127.0.0.1",
    }


def test_every_stage_holds_something_after_a_run(built: House) -> None:
    stages = dict(built.query("select stage, sum(row_count) from meta.tables group by stage"))
    assert set(stages) == {"raw", "staging", "identity", "intermediate", "marts", "audiences"}
    assert all(count > 0 for count in stages.values()), stages


def test_every_mart_of_the_contract_holds_rows(built: House) -> None:
    sizes = {table: count for table, (count, _) in built.content().items()}
    # No merge can have happened before the first build, and a small world may lack an audience.
    del sizes["marts.identity_history"]
    assert all(count for table, count in sizes.items() if table.startswith("marts.")), sizes


def test_a_second_run_with_nothing_new_changes_no_row(house: House) -> None:
    before = house.content()
    raw = sorted(path.name for path in house.data.glob("raw/**/*.parquet"))
    house.succeed("run")
    assert house.content() == before
    assert sorted(path.name for path in house.data.glob("raw/**/*.parquet")) == raw


def test_the_warehouse_can_be_deleted_and_gives_the_same_rows_again(house: House) -> None:
    before = house.content()
    (house.data / "warehouse.duckdb").unlink()
    house.succeed("run")
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
        assert sum(map(len, receiver.members.values())) > 0
        applied = receiver.applied_records
        files = sorted((house.data / "channels" / "file").rglob("*.csv"))
        house.succeed("publish", **_webhook(receiver))
        assert receiver.applied_records == applied
        assert sorted((house.data / "channels" / "file").rglob("*.csv")) == files


def test_nobody_is_sent_who_has_not_said_yes(house: House) -> None:
    with LocalReceiver(SECRET) as receiver:
        house.succeed("publish", **_webhook(receiver))
        sent = set().union(*receiver.members.values())
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
    person, card, receipt_file = _someone_with_a_card(house)
    before = _people(house)
    lines = receipt_file.read_text(encoding="utf-8").splitlines(keepends=True)
    row = next(csv.DictReader([lines[0], lines[1]]))
    row |= {"receipt_id": "one-more", "sold_at": "2026-03-28T10:00:00", "loyalty_id": card}
    row |= {"email": "", "phone": "", "payment_card_hash": "", "original_receipt_id": ""}
    row |= {"quantity": "1", "unit_price": "7.00", "discount_amount": "0", "line_amount": "7.00"}
    landed = receipt_file.with_name("one-more.csv")
    landed.write_text(lines[0] + ",".join(row.values()) + "\n", encoding="utf-8")
    orders = house.query("select count(*) from marts.customer_orders")[0][0]
    house.succeed("run")
    assert house.query("select count(*) from marts.customer_orders")[0][0] == orders + 1
    after = _people(house)
    assert {p for p in before.keys() | after.keys() if before.get(p) != after.get(p)} == {person}


def _someone_with_a_card(house: House) -> tuple[str, str, "object"]:
    [(person, card)] = house.query(
        "select profile_id, min(identifier_value) from marts.customer_identifiers "
        "where identifier_type = 'loyalty_id' group by profile_id "
        "having count(distinct identifier_value) = 1 order by profile_id limit 1"
    )
    newest = max((house.data / "landing/pos/receipt_lines").rglob("*.csv"))
    return person, card, newest


def _people(house: House) -> dict[str, tuple[object, ...]]:
    """What is told of each person alone; return estimates look at everybody."""
    rows = house.query("select * from marts.customer_profiles")
    return {row[0]: row for row in rows}


def test_the_same_file_under_another_name_adds_nothing(house: House) -> None:
    before = house.content()
    newest = max((house.data / "landing/pos/receipt_lines").rglob("*.csv"))
    shutil.copyfile(newest, newest.with_name("sent-again.csv"))
    house.succeed("run")
    assert house.content() == before


def test_as_of_decides_what_is_known(house: House) -> None:
    house.succeed("run", "--as-of", "2025-10-01")
    [(latest,)] = house.query("select max(ordered_at)::date::varchar from marts.customer_orders")
    assert latest <= "2025-10-01"
    house.succeed("run", "--as-of", AS_OF.strftime("%Y-%m-%dT%H:%M:%S"))


def test_a_person_is_shown_and_forgotten(house: House) -> None:
    house.succeed("publish", "--channel", "file")
    [(email, name)] = house.query(
        "select email, min(a) from (select email, 'first_purchase' as a "
        "from audiences.first_purchase union all select email, 'one_timers' "
        "from audiences.one_timers) join marts.customer_consents c on true "
        "join marts.customer_identifiers i using (profile_id) where i.identifier_value = email "
        "and c.channel = 'email' and c.purpose = 'marketing' and c.state = 'granted' "
        "group by email order by email limit 1"
    )
    shown = house.document("profile", "show", email)
    assert shown["profile"]["email"] == email
    assert shown["identifiers"]
    house.succeed("profile", "forget", email)
    planned = house.document("publish", "--channel", "file", "--dry-run")
    assert sum(plan["excluded"].get("erased", 0) for plan in planned) > 0, name
