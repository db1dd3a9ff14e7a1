"""Who may be reached, and for everybody else the reason why not."""

import pytest
from delivery_world import Recorder, World, spec


def test_who_may_not_be_reached_is_left_out_and_counted_by_reason(
    world: World, recorder: Recorder
) -> None:
    world.rebuild(
        changes=[
            "update marts.customer_consents set state = 'denied' where profile_id = 'p_000001'",
            "update marts.customer_consents set state = 'unknown' where profile_id = 'p_000002'",
            "delete from marts.customer_consents where profile_id = 'p_000003'",
            "update marts.customer_consents set purpose = 'tracking' where profile_id = 'p_000004'",
            "update marts.customer_consents set channel = 'sms' where profile_id = 'p_000005'",
            # granted and denied at once: the denial counts
            "insert into marts.customer_consents values "
            "('p_000006', 'email', 'marketing', 'denied')",
            "update marts.customer_profiles set email = null where profile_id = 'p_000007'",
        ],
    )
    report = world.deliver(recorder)

    assert dict(report.excluded) == {
        "consent_denied": 2,
        "consent_unknown": 4,
        "no_address": 1,
    }
    assert report.eligible_count + sum(report.excluded.values()) == report.member_count == 10
    assert set(recorder.operations()) == {"p_000000", "p_000008", "p_000009"}


def test_a_withdrawn_consent_removes_the_person_from_the_channel(
    world: World, recorder: Recorder
) -> None:
    world.deliver(recorder)
    world.rebuild(
        changes=[
            "update marts.customer_consents set state = 'denied' where profile_id = 'p_000001'"
        ]
    )
    world.deliver(recorder)
    assert recorder.operations() == {"p_000001": "remove"}


@pytest.mark.parametrize(
    ("channel", "change"),
    [
        ("sms", "update marts.customer_profiles set phone = null where profile_id = 'p_000001'"),
        (
            "whatsapp",
            "update marts.customer_profiles set phone = null where profile_id = 'p_000001'",
        ),
        ("push", "delete from marts.customer_identifiers where profile_id = 'p_000001'"),
        (
            "ads",
            "update marts.customer_profiles set phone = null, email = null "
            "where profile_id = 'p_000001'",
        ),
    ],
)
def test_each_consent_channel_asks_for_its_own_kind_of_address(
    world: World, recorder: Recorder, channel: str, change: str
) -> None:
    world.spec = spec(consent_channel=channel)
    world.rebuild(
        changes=[
            f"update marts.customer_consents set channel = '{channel}'",
            "insert into marts.customer_identifiers select profile_id, 'device_id', "
            "'d' || profile_id, 'app', now(), now(), false from marts.customer_profiles",
            change,
        ]
    )
    assert dict(world.deliver(recorder).excluded) == {"no_address": 1}


def test_a_holdout_is_stable_about_its_share_and_independent_of_the_audience(
    world: World, recorder: Recorder
) -> None:
    world.spec = spec(holdout=0.2)
    world.rebuild(4000)
    first = world.deliver(recorder)
    held_out = first.excluded["holdout"]
    chosen = world.held("recorder")
    world.rebuild(4000)
    world.deliver(recorder)

    assert world.held("recorder") == chosen
    # 4,000 draws at 0.2: standard deviation 25
    assert abs(held_out - 800) < 100
    assert len(chosen) == 4000 - held_out
    assert len(recorder.batches) == 1
    world.deliver(recorder, holdout_salt="another salt", approve=True)
    assert world.held("recorder") != chosen
