"""What joined people, as the published build, the command and its picture tell it."""

from pathlib import Path

from tests.e2e.house import House

# Identifiers whose tie isn't a published link to one that is a step nearer to the same anchor.
LOOSE = """
    select mine.identifier_type, mine.steps_to_anchor
    from marts.customer_identifiers as mine
    left join marts.customer_identifiers as nearer
        on nearer.profile_id = mine.profile_id
        and nearer.identifier_type = mine.joined_to_type
        and nearer.identifier_value = mine.joined_to_value
        and nearer.steps_to_anchor = mine.steps_to_anchor - 1
    where mine.steps_to_anchor > 0 and (
        nearer.profile_id is null
        or not exists (
            select 1 from marts.identity_links as links
            where links.rule = mine.joined_by
                and links.first_seen_at is not distinct from mine.joined_at
                and (from_type, from_value, to_type, to_value) in (
                    (mine.identifier_type, mine.identifier_value,
                        mine.joined_to_type, mine.joined_to_value),
                    (mine.joined_to_type, mine.joined_to_value,
                        mine.identifier_type, mine.identifier_value)
                )
        )
    )
"""
FARTHEST = """
    select profile_id, identifier_type || ':' || identifier_value, steps_to_anchor
    from marts.customer_identifiers
    order by steps_to_anchor desc nulls last, profile_id, identifier_value limit 1
"""


def test_every_published_identifier_leads_to_its_persons_one_anchor(built: House) -> None:
    assert built.query(LOOSE) == []
    [(people, anchors, steps)] = built.query(
        "select count(distinct profile_id), count(*) filter (steps_to_anchor = 0), "
        "max(steps_to_anchor) from marts.customer_identifiers where not is_demoted"
    )
    assert people == anchors
    assert steps >= 2


def test_the_path_to_the_anchor_has_as_many_links_as_the_identifier_has_steps(
    built: House,
) -> None:
    [(person, farthest, steps)] = built.query(FARTHEST)
    found = built.document("profile", "show", farthest, "--path-to", person)
    assert len(found["path"]) == steps
    shown = built.succeed("profile", "show", farthest, "--path-to", person)
    assert f"One person, {person}: {steps} links" in shown


def test_an_order_leads_to_whoever_bought_it(built: House) -> None:
    [(order, person)] = built.query(
        "select order_id, profile_id from marts.customer_orders where profile_id is not null "
        "order by order_id limit 1"
    )
    found = built.document("profile", "show", person, "--path-to", f"order:{order}")
    assert found["other"]["profile_id"] == person


def test_two_strangers_are_said_to_be_two(built: House) -> None:
    [(one,), (other,)] = built.query(
        "select min(profile_id) from marts.customer_profiles union all "
        "select max(profile_id) from marts.customer_profiles"
    )
    assert f"Two persons: {one} and {other}." in built.succeed(
        "profile", "show", one, "--path-to", other
    )


def test_the_picture_of_a_person_is_written_without_their_values(
    built: House, tmp_path: Path
) -> None:
    [(person, _, _)] = built.query(FARTHEST)
    picture = tmp_path / "one.svg"
    shown = built.document("profile", "show", person, "--graph", str(picture))
    drawn = picture.read_text(encoding="utf-8")
    values = {row["identifier_value"] for row in shown["identifiers"]}
    assert values
    assert not [value for value in values if value in drawn]
    refused = built.run("profile", "show", person, "--graph", str(tmp_path / "none" / "one.svg"))
    assert refused.returncode == 1
    assert "can't be written (No such file or directory)" in refused.stderr
    assert "Traceback" not in refused.stderr
