"""Who is in an audience, and what each audience promises about itself."""

import shutil
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from marts_world import (
    AS_OF,
    PROJECT,
    TODAY,
    World,
    build,
    days_ago,
    defaults,
    manifest,
    outcomes,
    rows,
    write,
)

from dagster_project.publishing.audience import AudienceSpec

AUDIENCES = sorted(path.stem for path in (PROJECT / "models" / "audiences").glob("*.sql"))
A_MOMENT = timedelta(seconds=1)
A_DAY = timedelta(days=1)

# Whose cart was touched when, and whether it makes them members.
CARTS = {
    "cart_just_active": ("active", timedelta(minutes=60), False),
    "cart_just_left": ("abandoned", timedelta(minutes=60) + A_MOMENT, True),
    "cart_nearly_gone": ("abandoned", 3 * A_DAY, True),
    "cart_gone": ("abandoned", 3 * A_DAY + A_MOMENT, False),
    # What the profile calls abandoned is still in its hour: never write to who is shopping.
    "cart_wrongly_abandoned": ("abandoned", timedelta(minutes=59), False),
}
VISITS = {"visit_now": timedelta(0), "visit_in_the_day": A_DAY - A_MOMENT, "visit_before": A_DAY}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everybody has an address but those whose name begins with mute."""
    path = tmp_path_factory.mktemp("audiences") / "warehouse.duckdb"
    regular = days_ago(0, *range(7, 400, 7))
    gone = days_ago(300, 310, 320)
    last_chance = defaults()["one_timer_days_to"]
    histories = {
        **dict.fromkeys(CARTS, regular),
        **dict.fromkeys(VISITS, gone),
        "visit_of_a_regular": regular,
        "mute_visit": gone,
        "mute_cart": regular,
        "mute_one_timer": days_ago(100),
        "slower": days_ago(*range(0, 60, 20), *range(61, 400, 10)),
        "stopping": days_ago(25, *range(61, 400, 7)),
        # As severe, but churned.
        "stopped": days_ago(*range(120, 460, 7)),
        "again": days_ago(1, 9),
        "spender": days_ago(2),
        "newcomer": days_ago(3),
        "one_timer": days_ago(defaults()["lifecycle_new_days"]),
        "one_timer_at_last": days_ago(last_chance),
        "one_timer_of_old": days_ago(last_chance + 1),
        "twice": days_ago(100, 101),
    }
    reachable = {name: TODAY - 500 * A_DAY for name in histories if not name.startswith("mute")}
    subscribers = {"subscriber": TODAY, "subscriber_with_cart": TODAY - 9 * A_DAY}
    write(path, World(histories, reachable | subscribers))
    carts = CARTS | {
        "mute_cart": ("abandoned", A_DAY, False),
        "subscriber_with_cart": ("abandoned", A_DAY, True),
    }
    visits = VISITS | {"visit_of_a_regular": timedelta(0), "mute_visit": timedelta(0)}
    with duckdb.connect(path) as connection:
        connection.execute("update marts.customer_profiles set average_order_value = 40")
        connection.execute(
            "update marts.customer_profiles set average_order_value = 60.01 "
            "where profile_id = 'spender'"
        )
        connection.executemany(
            "update marts.customer_profiles set cart_state = ?, cart_value = 25, "
            "cart_updated_at = ? where profile_id = ?",
            [(state, AS_OF - age, person) for person, (state, age, _) in carts.items()],
        )
        connection.executemany(
            "update marts.customer_profiles set last_visit_at = ? where profile_id = ?",
            [(AS_OF - age, person) for person, age in visits.items()],
        )
    build(path)
    return path


def _members(warehouse: Path, audience: str) -> set[str]:
    return {person for (person,) in rows(warehouse, f"select profile_id from audiences.{audience}")}


def test_an_abandoned_cart_is_between_an_hour_and_three_days_old(warehouse: Path) -> None:
    left = {person for person, (_, _, is_member) in CARTS.items() if is_member}
    assert _members(warehouse, "abandoned_carts") == left | {"subscriber_with_cart"}


def test_the_incentive_for_a_cart_is_that_of_the_churn_factor(warehouse: Path) -> None:
    found = rows(
        warehouse,
        "select carts.profile_id, carts.incentive_tier, factors.incentive_tier "
        "from audiences.abandoned_carts as carts left join marts.churn_factors as factors "
        "using (profile_id)",
    )
    without_purchase = defaults()["incentive_tier_without_purchase"]
    assert {row[0]: row[1] for row in found} == {
        row[0]: row[2] or without_purchase for row in found
    }
    assert ("subscriber_with_cart", without_purchase, None) in found


def test_churned_visitors_came_within_the_last_day(warehouse: Path) -> None:
    assert _members(warehouse, "churned_visitors") == {"visit_now", "visit_in_the_day"}
    assert rows(
        warehouse,
        "select distinct favourite_category, basket_value_to_beat, currency "
        "from audiences.churned_visitors",
    ) == [("wine", 40, "EUR")]


def test_who_slowed_is_told_apart_from_who_stopped(warehouse: Path) -> None:
    found = rows(warehouse, "select profile_id, drop_severity from audiences.frequency_drop")
    assert dict(found) == {"slower": "moderate", "stopping": "severe"}


def test_the_first_purchase_is_asked_of_subscribers_only(warehouse: Path) -> None:
    assert _members(warehouse, "first_purchase") == {"subscriber", "subscriber_with_cart"}


def test_high_potential_is_a_second_purchase_or_a_dear_first_one(warehouse: Path) -> None:
    assert _members(warehouse, "high_potential_new") == {"again", "spender"}


def test_a_one_timer_is_new_no_more_and_not_forgotten(warehouse: Path) -> None:
    assert _members(warehouse, "one_timers") == {"one_timer", "one_timer_at_last"}


@pytest.mark.parametrize("audience", AUDIENCES)
def test_nobody_without_an_address_is_a_member(warehouse: Path, audience: str) -> None:
    counted = f"select count(*), count(email), count(distinct profile_id) from audiences.{audience}"
    ((members, addresses, people),) = rows(warehouse, counted)
    assert members == addresses == people > 0


@pytest.mark.parametrize("audience", AUDIENCES)
def test_an_audience_says_what_publishing_must_know(audience: str) -> None:
    assert (PROJECT / "models" / "audiences" / f"{audience}.yml").exists()
    node = manifest().nodes[f"model.perennial.{audience}"]
    declared = node.config.meta["perennial"]["audience"]
    spec = AudienceSpec.from_meta(audience, node.description, declared)
    assert declared.keys() == {"channels", "consent", "holdout", "schedule", "owner"}
    assert set(spec.channels) == {"file", "webhook"}
    assert (spec.consent_channel, spec.consent_purpose) == ("email", "marketing")
    assert 0 < spec.holdout < 0.5
    assert spec.owner
    assert node.description.strip().endswith("one row a member.")
    assert node.config.contract.enforced


@pytest.mark.parametrize("audience", AUDIENCES)
def test_an_audience_reads_marts_and_nothing_else(audience: str) -> None:
    node = manifest().nodes[f"model.perennial.{audience}"]
    assert {parent.split(".")[0] for parent in node.depends_on.nodes} == {"model"}
    assert {manifest().nodes[parent].fqn[1] for parent in node.depends_on.nodes} == {"marts"}


@pytest.mark.parametrize("audience", AUDIENCES)
def test_every_column_of_an_audience_is_described(warehouse: Path, audience: str) -> None:
    columns = manifest().nodes[f"model.perennial.{audience}"].columns
    built = [name for name, *_ in rows(warehouse, f"describe audiences.{audience}")]
    assert list(columns) == built
    assert built[0] == "profile_id"
    assert {"email", "given_name", "country"} < set(built)
    assert all(column.description for column in columns.values())
    # A number of days grows by itself: every member would be sent anew every day.
    assert not [name for name in built if "days" in name]


def test_a_planted_fault_fails_the_test_that_is_there_for_it(
    warehouse: Path, tmp_path: Path
) -> None:
    faults = {
        "update marts.churn_factors set churn_factor = null": "churn_factors_follow",
        "update marts.churn_factors set return_probability = 2 "
        "where profile_id = 'slower'": "churn_factors_expect",
        "update marts.purchase_slowdowns set frequency_change = 1 "
        "where drop_severity <> 'none'": "purchase_slowdowns_are_drops",
        "update marts.customer_lifecycle set stage_since = as_of + 1": (
            "customer_lifecycle_has_changed"
        ),
        "update marts.customer_lifecycle_history set ended_on = started_on": (
            "customer_lifecycle_history_follow"
        ),
        "update marts.retention_kpis set customers = customers + 1": "retention_kpis_count",
        "update marts.retention_kpis set subscriber_conversion_rate = 2": "retention_kpis_are",
        "update marts.order_size_bands set ratio_from = 0.1 where ratio_from = 0": "begins_at_zero",
        "update marts.lifecycle_thresholds set days_from = 0": "lifecycle_thresholds_are_in",
        "insert into prediction.customers from prediction.customers": (
            "source_primary_key_prediction_customers"
        ),
        "insert into marts.churn_reasons from marts.churn_reasons": "primary_key_churn_reasons",
        "update marts.segment_rules set priority = null "
        "where priority = (select min(priority) from marts.segment_rules)": (
            "primary_key_segment_rules"
        ),
        "update marts.reason_words set words = null": "complete_reason_words",
    }
    path = Path(shutil.copy(warehouse, tmp_path / "warehouse.duckdb"))
    assert set(outcomes(path, command="test").values()) == {"pass"}
    with duckdb.connect(path) as connection:
        for fault in faults:
            connection.execute(fault)
    failed = {name for name, status in outcomes(path, command="test").items() if status == "fail"}
    silent = [test for test in faults.values() if not any(name.startswith(test) for name in failed)]
    assert silent == []
