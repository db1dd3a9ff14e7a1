"""A small build to publish and deliver: people made by SQL, one audience, two gates."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dagster_project import database, warehouse
from dagster_project.channels.base import Answers, Batch, Channel, CheckResult, Limits
from dagster_project.channels.webhook import WebhookChannel, WebhookSettings
from dagster_project.publishing import gates
from dagster_project.publishing import ledger as ledger_file
from dagster_project.publishing.audience import AudienceSpec
from dagster_project.publishing.deliver import deliver
from dagster_project.publishing.erasure.forget import ForgetReport, Installation, forget
from dagster_project.publishing.gates import GateKey, GateOutcome
from dagster_project.publishing.report import DeliveryReport
from dagster_project.publishing.sending import Retries
from dagster_project.publishing.swap import PublishReport, publish_build

AS_OF = datetime(2026, 3, 1, 12, tzinfo=UTC)
SALT = "test-salt"
AUDIENCE = "churned_visitors"
SECRET = "a key for tests"
EXPECTED = (GateKey("marts/customer_profiles", "unique"), GateKey("audiences/x", "unique"))
QUICK = Retries(attempts=3, first_wait=0.01, longest_wait=3.0, jitter=0.01)


def spec(**changes: Any) -> AudienceSpec:
    values: dict[str, Any] = {
        "name": AUDIENCE,
        "channels": ("webhook", "file", "recorder"),
        "consent_channel": "email",
        "consent_purpose": "marketing",
        "holdout": 0.0,
    }
    return AudienceSpec(**(values | changes))


class Recorder(Channel):
    """Acknowledges everything, and remembers it."""

    name = "recorder"
    title = "Recorder"
    description = "For tests."
    limits = Limits(batch_size=None)

    def configure(self, _settings: Any) -> None:
        self.batches: list[Batch] = []
        self.refuse: dict[str, str] = {}

    def check(self) -> CheckResult:
        return CheckResult(True, "")

    def apply(self, batch: Batch) -> Answers:
        self.batches.append(batch)
        return Answers.partial(batch, self.refuse)

    def operations(self) -> dict[str, str]:
        """What the last batch asked for, by profile."""
        rows = self.batches[-1].records.select(["profile_id", "operation"]).to_pydict()
        return dict(zip(rows["profile_id"], rows["operation"], strict=True))


@dataclass
class World:
    """A data directory with a build of `people` people, all of them in the audience."""

    folder: Path
    run_count: int = 0
    spec: AudienceSpec = field(default_factory=spec)

    @property
    def warehouse(self) -> Path:
        return self.folder / "warehouse.duckdb"

    @property
    def published(self) -> Path:
        return self.folder / "published.duckdb"

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.duckdb"

    def build(self, people: int = 10, *, changes: Sequence[str] = ()) -> None:
        """Build anew: people p_000000…, then `changes` as SQL; every gate passes."""
        self.run_count += 1
        connection = database.connect(self.warehouse)
        run_id = f"run-{self.run_count}"
        warehouse.begin(connection, warehouse.Build(run_id, AS_OF, "UTC", "EUR", "PT", AS_OF))
        for statement in _BUILD.split(";\n"):
            connection.execute(statement.replace("{people}", str(people)))
        for statement in changes:
            connection.execute(statement)
        gates.invalidate(connection, "raw")
        gates.record(
            connection,
            [GateOutcome(k.asset.split("/")[0], *k, "dbt", "critical", True) for k in EXPECTED],
            run_id,
            AS_OF,
        )
        connection.close()

    def publish(self) -> PublishReport:
        report = publish_build(
            self.warehouse,
            self.published,
            expected=EXPECTED,
            audiences=[self.spec],
            finished_at=datetime.now(UTC),
        )
        ledger_file.record_build(
            self.ledger, run_id=report.run_id, outcome="published", at=report.finished_at
        )
        return report

    def rebuild(self, people: int = 10, *, changes: Sequence[str] = ()) -> None:
        self.build(people, changes=changes)
        self.publish()

    def deliver(self, channel: Channel, **options: Any) -> DeliveryReport:
        values = {"run_id": "d", "at": AS_OF, "holdout_salt": SALT, "retries": QUICK}
        return deliver(self.published, self.ledger, channel, AUDIENCE, **(values | options))

    def forget(self, identifier: str, *channels: Channel, **options: Any) -> ForgetReport:
        by_name = {channel.name: channel for channel in channels}
        house = Installation(
            data=self.folder,
            published=self.published,
            warehouse=self.warehouse,
            ledger=self.ledger,
            overrides=self.folder / "identity" / "overrides.csv",
            salt=options.pop("salt", SALT),
            default_country="PT",
            open_channel=by_name.__getitem__,
        )
        return forget(house, identifier, at=AS_OF, **options)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the ledger."""
        with ledger_file.opened(self.ledger) as connection:
            return connection.execute(sql).fetchall()

    def held(self, channel: str) -> set[str]:
        return {
            r[0]
            for r in self.query(f"select profile_id from membership where channel = '{channel}'")
        }


def webhook(url: str, **settings: Any) -> WebhookChannel:
    values = {"url": url, "secret": SECRET, "allowed_hosts": "127.0.0.1", "timeout_seconds": 0.5}
    return WebhookChannel(WebhookSettings.model_validate(values | settings))


_BUILD = """
create schema if not exists marts;
create schema if not exists audiences;
create or replace table marts.customer_profiles as
    select format('p_{:06d}', i) as profile_id, format('p{}@example.org', i) as email,
        format('+4072200{:04d}', i) as phone, 'Ana' as given_name
    from range({people}) as r(i);
create or replace table marts.customer_identifiers as
    select profile_id, 'email' as identifier_type, email as identifier_value, 'web' as source,
        timestamptz '2025-01-01 00:00:00+00' as first_seen_at,
        timestamptz '2025-02-01 00:00:00+00' as last_seen_at, false as is_demoted
    from marts.customer_profiles
    union all
    select profile_id, 'phone', phone, 'pos', timestamptz '2025-01-01 00:00:00+00',
        timestamptz '2025-02-01 00:00:00+00', false
    from marts.customer_profiles;
create or replace table marts.identity_history (
    happened_at timestamptz, kind varchar, from_profile_id varchar, to_profile_id varchar,
    reason varchar
);
create or replace table marts.customer_consents as
    select profile_id, 'email' as channel, 'marketing' as purpose, 'granted' as state
    from marts.customer_profiles;
create or replace table marts.customer_orders as
    select 'o-' || profile_id as order_id, profile_id,
        timestamptz '2025-05-01 10:00:00+00' as ordered_at, 12.5000::decimal(18, 4) as net_amount
    from marts.customer_profiles;
create or replace table marts.customer_lifecycle as
    select profile_id, timestamptz '2026-03-01 12:00:00+00' as as_of, 'churned' as stage
    from marts.customer_profiles;
create or replace table marts.churn_factors as
    select profile_id, timestamptz '2026-03-01 12:00:00+00' as as_of, 2.5 as churn_factor
    from marts.customer_profiles;
create or replace table audiences.churned_visitors as
    select profile_id, email, given_name, 49.9000::decimal(18, 4) as basket_value,
        timestamptz '2026-02-28 10:00:00+00' as last_visit_at
    from marts.customer_profiles
"""
