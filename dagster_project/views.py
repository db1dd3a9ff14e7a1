"""How results look in the terminal; what they say comes from the rooms."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dagster_project import console
from dagster_project.channels.base import discover
from dagster_project.publishing import tree
from dagster_project.publishing.explanation import Explanation
from dagster_project.publishing.profile import PersonView
from dagster_project.publishing.status import Status
from dagster_project.publishing.status import status as read_status
from dagster_project.publishing.summary import Summary, summarise
from dagster_project.publishing.tree import Row
from dagster_project.settings import PREFIX, Settings

if TYPE_CHECKING:
    from pathlib import Path

    from dagster import DagsterEvent

    from dagster_project.defs.runs import RunResult
    from dagster_project.publishing.erasure.forget import ForgetReport
    from dagster_project.publishing.stewarding import Decision


def follow(progress: console.Progress) -> "Callable[[DagsterEvent], None]":
    """Turn the events of a run into lines of progress, a stage each."""

    def listen(event: "DagsterEvent") -> None:
        if event.is_step_start and event.step_key:
            progress.step(*_stage_and_step(event.step_key))
        elif event.is_step_materialization and event.asset_key:
            progress.count("tables")
            if made := event.step_materialization_data.materialization.metadata.get("made anew"):
                progress.note(f"  {event.asset_key.path[-1]} was made anew: {made.value}")
        elif event.event_type_value == "ASSET_CHECK_EVALUATION":
            check = event.asset_check_evaluation_data
            progress.count("checks passed" if check.passed else "[red]checks failed[/red]")
            if not check.passed:
                name = check.asset_key.to_user_string()
                progress.note(
                    f"  [red]closed[/red] {name}: {check.description or check.check_name}"
                )

    return listen


def _stage_and_step(step: str) -> tuple[str, str]:
    """Tell the stage of a step by its name: raw__web_events, staging_models, marts_gates."""
    stage, _, rest = step.partition("__")
    if rest:
        return ("raw" if stage in {"meta", "landing"} else stage), rest.replace("__", " ")
    stage, _, rest = step.partition("_")
    return stage, rest or stage


def build_summary(settings: Settings) -> None:
    """Show the build that was just published."""
    found = summarise(settings.published)
    console.say()
    _stages(found)
    _gates(found)
    built = f"build {found.build.run_id[:8]} as of {found.build.as_of:%Y-%m-%d %H:%M} UTC"
    if settings.is_past:
        console.say(
            f"A look at the past: {built} is in {settings.published}. With "
            f"{PREFIX}DATA={settings.data_dir} set, `perennial report` draws it."
        )
    else:
        console.say(
            f"Published {built}. Next: `perennial publish --dry-run` shows what would be sent."
        )


def summary(settings: Settings) -> None:
    """Show what a whole road led to."""
    found, state = summarise(settings.published), read_status(settings.published, settings.ledger)
    console.say()
    _stages(found)
    _gates(found)
    console.table("Lifecycle", ["stage", "people"], list(found.lifecycle.items()))
    console.table("Segments", ["segment", "people"], list(found.segments.items()))
    console.table(
        "Churn factor (days since the last purchase / own mean days between purchases)",
        ["quantile", "churn factor"],
        [(f"{quantile:.0%}", value) for quantile, value in found.churn_factors.items()],
    )
    console.table(
        "Who returns: the model of so many days ago, and what happened since",
        ["days ago", "model", "AUC", "said", "returned", "best plain rule", "its AUC"],
        [
            (t.days, t.model, f"{t.auc:.3f}", f"{t.said:.1%}", f"{t.returned:.1%}", t.plain,
             f"{t.plain_auc:.3f}")
            for t in found.backtests
        ],
    )  # fmt: skip
    _audiences(state)
    _syncs(state)


def _stages(found: Summary) -> None:
    rows = [(stage, tables, count) for stage, (tables, count) in found.stages.items()]
    console.table("Stages", ["stage", "tables", "rows"], rows)


def _gates(found: Summary) -> None:
    rows = [
        (engine.replace("_", " "), severity, "passed" if passed else "broken", count)
        for (engine, severity, passed), count in found.gates.items()
    ]
    console.table("Gates", ["asked by", "severity", "outcome", "checks"], rows)


def _audiences(state: Status) -> None:
    rows = [(a.name, a.size, ", ".join(a.channels)) for a in state.audiences]
    console.table("Audiences", ["audience", "people", "channels"], rows)


def _syncs(state: Status) -> None:
    rows = [
        (s.audience, s.channel, s.state, s.planned_count, s.acknowledged_count, s.refused_count,
         s.held_count, s.reason or "")
        for s in state.syncs
    ]  # fmt: skip
    columns = ["audience", "channel", "state", "planned", "acknowledged", "refused", "held", "why"]
    console.table("Deliveries (the last of each)", columns, rows)


def syncs(settings: Settings) -> None:
    """Show the last delivery of each audience to each channel."""
    _syncs(read_status(settings.published, settings.ledger))


def status(settings: Settings) -> None:
    """Show where things stand."""
    state = read_status(settings.published, settings.ledger)
    if state.build is None:
        console.say("Nothing is published yet: `perennial run` builds and publishes.")
    else:
        console.say(
            f"Published build {state.build.run_id[:8]}, as of {state.build.as_of:%Y-%m-%d %H:%M} "
            f"UTC, finished {state.build.finished_at:%Y-%m-%d %H:%M} UTC; "
            f"{state.gate_count} checks, {len(state.warnings)} warnings."
        )
        console.say()
    console.table(
        "Builds",
        ["build", "outcome", "at", "closed gates"],
        [(b.run_id[:8], b.outcome, b.at, "; ".join(b.closed_gates[:3])) for b in state.attempts],
    )
    if state.warnings:
        console.table(
            "Warnings",
            ["table", "rule", "found"],
            [(w.asset, w.check_name, w.message or w.failed_count) for w in state.warnings],
        )
    _audiences(state)
    _syncs(state)
    if state.erasures:
        console.table(
            "Erasures not acknowledged yet",
            ["audience", "channel", "people", "last told", "answer"],
            [(e.audience, e.channel, e.people, e.told_at, e.answer) for e in state.erasures],
        )
    if state.unfinished_erasures:
        console.warn(
            f"{state.unfinished_erasures} erasures were broken off: `perennial profile forget` "
            "with any identifier finishes them first."
        )


def status_document(settings: Settings) -> dict[str, Any]:
    """Return the status for machines."""
    return read_status(settings.published, settings.ledger).as_json()


def run_document(settings: Settings, result: "RunResult") -> dict[str, Any]:
    """Return a run and what it published for machines."""
    found = asdict(summarise(settings.published))
    return {
        "run_id": result.run_id,
        "success": result.success,
        "as_of": found["build"]["as_of"],
        "published": str(settings.published),
        "stages": {s: {"tables": t, "rows": r} for s, (t, r) in found["stages"].items()},
        "lifecycle": found["lifecycle"],
        "segments": found["segments"],
        "churn_factor_quantiles": found["churn_factors"],
        "status": status_document(settings),
    }


def deliveries(reports: Sequence[dict[str, Any]]) -> None:
    """Show what deliveries would do."""
    rows = [
        (r["audience"], r["channel"], r["member_count"], r["eligible_count"],
         *(r["planned"][operation] for operation in ("add", "update", "remove")),
         r["reason"] or "")
        for r in reports
    ]  # fmt: skip
    columns = ["audience", "channel", "members", "eligible", "add", "update", "remove", "why not"]
    console.table("Planned; nothing was sent", columns, rows)
    left_out = [
        (r["audience"], reason, count)
        for r in {r["audience"]: r for r in reports}.values()
        for reason, count in r["excluded"].items()
    ]
    if left_out:
        console.table("Left out", ["audience", "reason", "people"], left_out)


def channels(settings: Settings) -> None:
    """Show each channel, its settings, its limits and whether it is ready."""
    rows = []
    for name, kind in discover().items():
        tool = settings.open_channel(kind)
        try:
            checked = tool.check()
            size = tool.batch_size
        finally:
            tool.close()
        wanted = ", ".join(
            f"{PREFIX}{name}_{field}".upper() for field in kind.Settings.model_fields
        )
        limit = f"{size:,} records a call" if size else "everything in one call"
        rows.append((name, "ready" if checked.is_ready else "not ready", limit, wanted))
        rows.append(("", "", "", checked.message))
    console.table("Channels", ["channel", "state", "limit", "settings"], rows)


def forgotten(report: "ForgetReport") -> None:
    """Show what an erasure found and did; nothing of the person."""
    if report.known:
        console.say("This person was forgotten before: there is nothing left to delete.")
    else:
        title = "Would be deleted; nothing was" if report.is_dry_run else "Deleted"
        console.table(title, ["what", "count"], list(report.found.items()))
        console.say(
            f"{report.identifier_count} identifiers are barred for ever; {report.shared_count} are "
            "shared with other people and stay in their records."
        )
    if report.notices:
        console.table(
            "Channels",
            ["audience", "channel", "told", "answer", "acknowledged"],
            [
                (n.audience, n.channel, n.told_at, n.answer, n.acknowledged_at)
                for n in report.notices
            ],
        )
    if report.unacknowledged and not report.is_dry_run:
        console.warn(
            f"{len(report.unacknowledged)} channels haven't confirmed yet: the next `perennial "
            "publish` tells them again, or the same command does."
        )
    if report.landed:
        console.warn(
            f"{len(report.landed)} landed files hold the person still. They are never loaded "
            f"again; delete or clean them yourself: {', '.join(report.landed)}"
        )


def person(view: PersonView) -> None:
    """Show one person: this is personal, and goes to the terminal only."""
    for title, row in (
        ("Profile", view.profile),
        ("Lifecycle", view.lifecycle),
        ("Churn", view.churn),
    ):
        if row:
            console.table(title, ["field", "value"], list(row.items()))
    console.table(
        "Why this chance to return",
        ["effect", "reason"],
        [(reason["effect"], reason["reason"]) for reason in view.reasons],
    )
    _identifiers(view)
    for title, rows in (
        ("Kept apart though a record ties them", view.cut_links),
        ("May be the same person: for a steward to decide", view.review),
        ("Former ids", view.former_ids),
        ("Merges and splits", view.history),
        ("Orders", view.orders),
        ("Consents", view.consents),
    ):
        _rows(title, rows)
    console.table(
        "Audiences",
        ["audience", "member", "acknowledged by"],
        [(a.name, a.is_member, ", ".join(a.acknowledged_by)) for a in view.audiences],
    )


def review(pairs: Sequence[Row], *, shown: bool) -> None:
    """Show who may be one person, in two rows each; the identifiers are personal: where `shown`."""
    if not pairs:
        console.say("No two registrations are alike enough to be asked about.")
        return
    rows = [
        (score, tree.kind(pair[f"{end}_type"]), pair[f"{end}_profile_id"])
        + ((pair[f"{end}_value"],) if shown else ())
        + (reason,)
        for pair in pairs
        for end, score, reason in (
            ("from", pair["probability"], pair["reason"]),
            ("to", "", ""),
        )
    ]
    columns = ["score", "identifier", "profile", *["value"][: int(shown)], "why not joined"]
    console.table("May be one person", columns, rows)
    console.say(
        "Look with `perennial profile show PROFILE`, decide with `perennial identity join PROFILE "
        "PROFILE` or `perennial identity separate PROFILE PROFILE`."
    )


def decision(found: "Decision", overrides: "Path", *, dry_run: bool) -> None:
    """Say what was decided, by the kinds of the identifiers alone."""
    one, other = tree.kind(found.one[0]), tree.kind(found.other[0])
    said = "are one person's" if found.kind == "must_link" else "are never one person's"
    if not found.is_new:
        console.say(f"{overrides.name} says already that this {one} and this {other} {said}.")
    elif dry_run:
        console.say(f"{overrides.name} would say that this {one} and this {other} {said}.")
    else:
        console.say(
            f"{overrides.name} says now that this {one} and this {other} {said}. Next: `perennial "
            "run` follows it; `perennial identity undo` takes it back."
        )


def _identifiers(view: PersonView) -> None:
    names = tree.labels(view.identifiers)
    rows = [
        (
            "  " * (row.get("steps_to_anchor") or 0) + names[tree.named(row)],
            row["identifier_value"],
            names.get(tree.joined_to(row) or ("", "")),
            _why(row),
            row.get("joined_via"),
            row.get("joined_at"),
            row.get("joined_score"),
            row.get("record_count"),
        )
        for row in view.identifiers
    ]
    columns = ["identifier", "value", "tied to", "by", "in", "since", "score", "records"]
    console.table("Identifiers, and the link that ties each to the first", columns, rows)


def _why(row: Row) -> str | None:
    if row.get("is_demoted"):
        return f"joins nobody: {row.get('demoted_because')}"
    return tree.rule(row["joined_by"]) if row.get("joined_by") else None


def explanation(found: Explanation) -> None:
    """Show what joins two identifiers, link by link, or what is known of why nothing does."""
    if found.is_one_person:
        _path(found)
        return
    console.say(f"Two persons: {found.one.profile_id} and {found.other.profile_id}.")
    console.say()
    _rows(
        "Cut: their records contradict each other, or a steward keeps them apart", found.cut_links
    )
    _rows("Alike: for a steward to decide", found.review)
    _rows("Used by both, and by others: these join nobody", found.shared)
    if not (found.cut_links or found.review or found.shared):
        console.say("No record ties the two, and no registrations of theirs are alike.")


def _path(found: Explanation) -> None:
    rows: list[tuple[object, ...]] = [
        (tree.kind(link["to_type"]), link["to_value"], tree.rule(link["rule"]), link["source"],
         link["first_seen_at"], link["record_count"] or None, link["probability"] or 1.0)
        for link in found.path
    ]  # fmt: skip
    if found.path:
        (first_type, first_value), _ = tree.link_ends(found.path[0])
        rows.insert(0, (tree.kind(first_type), first_value, *[None] * 5))
    console.table(
        f"One person, {found.one.profile_id}: {len(found.path)} links lead from one to the other",
        ["identifier", "value", "tied by", "in", "since", "records", "score"],
        rows,
    )


def _rows(title: str, rows: Sequence[Row]) -> None:
    if rows:
        console.table(title, list(rows[0]), [list(row.values()) for row in rows])
