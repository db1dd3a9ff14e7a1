"""The rules of identity resolution: rules.toml as typed values, or one clear error.

Nothing here has a default: a number that decides who is who stands in the file.
"""

import datetime as dt
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.errors import PerennialError

RULES_FILE = Path(__file__).with_name("rules.toml")

# Identifier types of the contract; each needs its section in the file.
IDENTIFIER_TYPES = (
    "anonymous_id",
    "user_id",
    "device_id",
    "email",
    "phone",
    "loyalty_id",
    "erp_customer_id",
    "payment_card",
    "tax_id",
)
NORMALISATIONS = ("id", "email", "phone", "tax_id")
MEASURES = (
    "largest_profile",
    "share_joined",
    "several_registrations",
    "changed",
    "estimated_precision",
)
_REASSIGNED = "reassigned_after_days"
NAME_RULES = ("must_not_contradict", "must_agree")


class RulesError(PerennialError):
    """The rules file can't be used as it stands."""


@dataclass(frozen=True, slots=True)
class IdentifierRule:
    """One identifier type. `strength` 0 is the strongest."""

    name: str
    strength: int
    normalise: str
    person_limit: int
    records_per_day: int
    contact_limit: int
    reassigned_after_days: int
    is_registered: bool
    is_one_each: bool
    is_contact: bool
    names_must_agree: bool
    value_limits: Mapping[str, int]
    blocked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EmailProvider:
    """Domains whose mailboxes answer to several spellings."""

    domains: tuple[str, ...]
    canonical: str | None
    ignore_dots: bool
    suffix: str | None


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a measure of a build has to lie, and how far it may move from one build to the next."""

    at_least: float | None
    at_most: float | None
    may_fall: float | None
    may_rise: float | None


@dataclass(frozen=True)
class Rules:
    """Everything rules.toml says; `identifiers` is in order of strength, registered ones first."""

    identifiers: tuple[IdentifierRule, ...]
    blocked: tuple[str, ...]
    profile_person_limit: int
    hub_limit: int
    blocked_names: tuple[str, ...]
    nobody_names: tuple[str, ...]
    blocked_birth_dates: tuple[dt.date, ...]
    own_domains: tuple[str, ...]
    email_providers: tuple[EmailProvider, ...]
    join: float
    review: float
    increment_days: int
    increment_signals: int
    increment_share: float
    crowd: int
    household_person_limit: int
    household_member_limit: int
    gates: Mapping[str, Bounds]

    @cached_property
    def registered(self) -> tuple[IdentifierRule, ...]:
        """Types that are joined first."""
        return tuple(rule for rule in self.identifiers if rule.is_registered)

    @cached_property
    def weakest_registered(self) -> int:
        """The strength of the last registered type."""
        return self.registered[-1].strength

    @cached_property
    def shared(self) -> tuple[IdentifierRule, ...]:
        """Types that are judged by the persons they touch, strongest first."""
        return tuple(rule for rule in self.identifiers if not rule.is_registered)


def load_rules(path: Path = RULES_FILE) -> Rules:
    """Read and check the file; RulesError names the section, the key and what belongs there."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RulesError(f"{path} can't be read as TOML ({error}): mend or restore it.") from error
    root = _Section(path, "the file", document)
    blocked = root.section("blocked")
    profile = root.section("profile")
    names = root.section("names")
    birth_dates = root.section("birth_dates")
    email = root.section("email")
    matching = root.section("matching")
    increments = root.section("increments")
    households = root.section("households")
    gates = root.section("gates")
    rules = Rules(
        identifiers=_identifiers(root.section("identifiers")),
        blocked=blocked.patterns("patterns"),
        profile_person_limit=profile.limit("person_limit"),
        hub_limit=profile.limit("hub_limit"),
        blocked_names=names.texts("blocked"),
        nobody_names=names.patterns("nobody"),
        blocked_birth_dates=birth_dates.dates("blocked"),
        own_domains=tuple(domain.lower() for domain in email.texts("own_domains")),
        email_providers=tuple(_provider(section) for section in email.sections("providers")),
        join=matching.probability("join"),
        review=matching.probability("review"),
        increment_days=increments.limit("days"),
        increment_signals=increments.limit("signals"),
        increment_share=increments.probability("share"),
        crowd=increments.limit("crowd"),
        household_person_limit=households.limit("person_limit"),
        household_member_limit=households.limit("member_limit"),
        gates={measure: _bounds(gates.section(measure)) for measure in MEASURES},
    )
    if rules.review > rules.join:
        raise matching.error(f"has review = {rules.review}, which is above join = {rules.join}")
    for section in (
        blocked,
        profile,
        names,
        birth_dates,
        email,
        matching,
        increments,
        households,
        gates,
        root,
    ):
        section.refuse_unread()
    return rules


def _identifiers(sections: "_Section") -> tuple[IdentifierRule, ...]:
    missing = sorted(set(IDENTIFIER_TYPES) - set(sections.content))
    if missing:
        raise sections.error(f"lacks a section for {', '.join(missing)}")
    rules = []
    for strength, name in enumerate(tuple(sections.content)):
        if name not in IDENTIFIER_TYPES:
            raise sections.error(f"has a section {name!r}, which is no identifier type")
        rules.append(_identifier(name, strength, sections.section(name)))
        if rules[-1].is_registered and any(not rule.is_registered for rule in rules):
            raise sections.error(
                f"{name} is registered and must stand before the types that aren't"
            )
    if not rules[0].is_registered:
        raise sections.error("needs at least one registered type")
    return tuple(rules)


def _identifier(name: str, strength: int, section: "_Section") -> IdentifierRule:
    is_registered = section.flag("registered")
    rule = IdentifierRule(
        name=name,
        strength=strength,
        normalise=section.choice("normalise", NORMALISATIONS),
        person_limit=section.limit("person_limit"),
        records_per_day=section.limit("records_per_day") if is_registered else 0,
        contact_limit=0 if is_registered else section.limit("contact_limit"),
        reassigned_after_days=section.limit(_REASSIGNED) if _REASSIGNED in section.content else 0,
        is_registered=is_registered,
        is_one_each=is_registered and section.flag("one_each"),
        is_contact=section.flag("contact"),
        names_must_agree=not is_registered and section.choice("names", NAME_RULES) == "must_agree",
        value_limits=section.limits("value_limits"),
        blocked=section.patterns("blocked", required=False),
    )
    section.refuse_unread()
    return rule


def _bounds(section: "_Section") -> Bounds:
    bounds = Bounds(*(section.number(key) for key in Bounds.__slots__))
    section.refuse_unread()
    return bounds


def _provider(section: "_Section") -> EmailProvider:
    provider = EmailProvider(
        domains=tuple(domain.lower() for domain in section.texts("domains")),
        canonical=section.text("canonical"),
        ignore_dots=section.flag("ignore_dots"),
        suffix=section.text("suffix"),
    )
    section.refuse_unread()
    return provider


class _Section:
    """One table of the file, read key by key, so that a key nobody reads is an error too."""

    def __init__(self, path: Path, name: str, content: dict[str, Any]) -> None:
        self.path, self.name, self.content = path, name, content
        self._read: set[str] = set()

    def error(self, text: str) -> RulesError:
        return RulesError(f"{self.path}: {self.name} {text}. Mend it and run again.")

    def refuse_unread(self) -> None:
        unread = sorted(set(self.content) - self._read)
        if unread:
            raise self.error(f"has {unread[0]!r}, which no rule is called")

    def _value(self, key: str, kind: type | tuple[type, ...], what: str, default: Any) -> Any:
        self._read.add(key)
        value = self.content.get(key, default)
        if value is None:
            raise self.error(f"lacks {key!r} ({what})")
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.error(f"has {key} = {value!r}, which should be {what}")
        return value

    def section(self, key: str) -> "_Section":
        name = f"[{key}]" if self.name == "the file" else f"{self.name[:-1]}.{key}]"
        return _Section(self.path, name, self._value(key, dict, "a table", None))

    def sections(self, key: str) -> list["_Section"]:
        tables = self._value(key, list, "a list of tables", [])
        if not all(isinstance(table, dict) for table in tables):
            raise self.error(f"has {key}, which should be a list of tables")
        return [
            _Section(self.path, f"[[{self.name[1:-1]}.{key}]] number {number}", table)
            for number, table in enumerate(tables, start=1)
        ]

    def flag(self, key: str) -> bool:
        return bool(self._value(key, bool, "true or false", False))

    def limit(self, key: str) -> int:
        value = int(self._value(key, int, "a whole number above 0", None))
        if value < 1:
            raise self.error(f"has {key} = {value}, which should be a whole number above 0")
        return value

    def number(self, key: str) -> float | None:
        """A number from 0 on, if there is one."""
        value = self._value(key, (int, float), "a number from 0 on", -1)
        if key in self.content and value < 0:
            raise self.error(f"has {key} = {value}, which should be a number from 0 on")
        return float(value) if key in self.content else None

    def probability(self, key: str) -> float:
        value = float(self._value(key, (int, float), "a number between 0 and 1", None))
        if not 0 < value < 1:
            raise self.error(f"has {key} = {value}, which should be a number between 0 and 1")
        return value

    def limits(self, key: str) -> dict[str, int]:
        section = _Section(self.path, f"{self.name} {key}", self._value(key, dict, "a table", {}))
        for name in section.content:
            if name not in IDENTIFIER_TYPES:
                raise section.error(f"names {name!r}, which is no identifier type")
        return {name: section.limit(name) for name in section.content}

    def text(self, key: str) -> str | None:
        return str(self._value(key, str, "a text", "")) or None

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        value = str(self._value(key, str, " or ".join(choices), None))
        if value not in choices:
            raise self.error(f"has {key} = {value!r}, which should be {' or '.join(choices)}")
        return value

    def texts(self, key: str, *, required: bool = True) -> tuple[str, ...]:
        values = self._value(key, list, "a list of texts", None if required else [])
        if not all(isinstance(value, str) for value in values):
            raise self.error(f"has {key}, which should be a list of texts")
        return tuple(values)

    def dates(self, key: str) -> tuple[dt.date, ...]:
        values = self._value(key, list, "a list of dates", None)
        if not all(type(value) is dt.date for value in values):
            raise self.error(f"has {key}, which should be a list of dates (1900-01-01)")
        return tuple(values)

    def patterns(self, key: str, *, required: bool = True) -> tuple[str, ...]:
        """Regular expressions, checked by the engine that will run them."""
        values = self.texts(key, required=required)
        for value in values:
            if not _is_pattern(value):
                raise self.error(f"has the pattern {value!r}, which RE2 refuses")
        return values


def one_of(patterns: tuple[str, ...]) -> str:
    """One RE2 pattern that matches what any of `patterns` does; nothing if there is none."""
    return "|".join(f"(?:{pattern})" for pattern in patterns) or r"[^\s\S]"


@cache
def _is_pattern(text: str) -> bool:
    with duckdb.connect() as connection:
        try:
            connection.execute("select regexp_full_match('', $1)", [text]).fetchall()
        except duckdb.Error:
            return False
    return True
