"""The rules file is checked as a whole, and a mistake in it is one clear line."""

from pathlib import Path

import pytest

from dagster_project.identity.rules import IDENTIFIER_TYPES, RULES_FILE, RulesError, load_rules


def test_the_rules_name_every_identifier_type_strongest_first() -> None:
    rules = load_rules()
    assert sorted(rule.name for rule in rules.identifiers) == sorted(IDENTIFIER_TYPES)
    assert [rule.strength for rule in rules.identifiers] == list(range(9))
    assert [rule.name for rule in rules.registered] == ["erp_customer_id", "loyalty_id", "user_id"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[profile]", "[profil]", "lacks 'profile'"),
        ("hub_limit = 5", "hub_limit = 0", r"\[profile\] has hub_limit = 0"),
        ("hub_limit = 5", "hub_limit = true", "hub_limit = True, which should be a whole number"),
        ("hub_limit = 5", "hub_limit = 5\nhub_limits = 5", "'hub_limits', which no rule is called"),
        ("[identifiers.phone]", "[identifiers.telephone]", "lacks a section for phone"),
        (
            'normalise = "phone"',
            'normalise = "fone"',
            r"\[identifiers.phone\] has normalise = 'fone'",
        ),
        ("'[0-]*'", "'[0-'", "RE2 refuses"),
        ("email = 10", "e_mail = 10", "'e_mail', which is no identifier type"),
        ("[1900-01-01,", "['1900-01-01',", "a list of dates"),
        ("own_domains = []", "own_domains = [1]", "own_domains, which should be a list of texts"),
        ('canonical = "gmail.com"', "canonical = 1", r"\[\[email.providers\]\] number 1"),
        ("[identifiers.user_id]\nregistered = true", "[identifiers.user_id]", "contact_limit"),
        ("records_per_day = 100\n", "", "lacks 'records_per_day'"),
        ("[blocked]", "[blocked", "can't be read as TOML"),
        ("[gates.changed]\nat_most = 0.1", "", r"\[gates\] lacks 'changed'"),
        ("at_most = 500", "at_most = -1", r"\[gates.largest_profile\] has at_most = -1"),
        ("at_most = 500", "at_least = '5'", "a number from 0 on"),
        ("may_rise = 100", "may_jump = 100", "'may_jump', which no rule is called"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, old: str, new: str, says: str) -> None:
    text = RULES_FILE.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "rules.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(RulesError, match=says) as raised:
        load_rules(path)
    assert "\n" not in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match=r"rules\.toml can't be read"):
        load_rules(tmp_path / "rules.toml")


def test_a_registered_type_after_a_shared_one_is_refused(tmp_path: Path) -> None:
    text = RULES_FILE.read_text(encoding="utf-8")
    section = text[text.index("[identifiers.user_id]") : text.index("# --- Identifiers that")]
    path = tmp_path / "rules.toml"
    path.write_text(text.replace(section, "") + section, encoding="utf-8")
    with pytest.raises(RulesError, match="user_id is registered and must stand before"):
        load_rules(path)
