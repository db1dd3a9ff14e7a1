"""The `perennial` command: every step of the road from a terminal.

Heavy rooms (Dagster, dbt, Great Expectations) are imported by the command that needs them, so that
`perennial --help` answers at once.
"""

import atexit
import gc
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dagster_project import console, demo, settings, views
from dagster_project.errors import PerennialError
from sources import find_table
from sources.contract import SourceError
from sources.loader.landing import require_landing
from sources.loader.store import Store

if TYPE_CHECKING:
    from dagster_project.defs.runs import RunResult

app = typer.Typer(
    name="perennial",
    help="The open retention data platform for retailers: landed files to delivered audiences.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
profile_app = typer.Typer(
    help="One person: what is known and why it was joined, and how to forget it.",
    no_args_is_help=True,
)
app.add_typer(profile_app, name="profile")
identity_app = typer.Typer(help="Who is who: what the joining goes by.", no_args_is_help=True)
app.add_typer(identity_app, name="identity")

_MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]
AsOf = Annotated[
    datetime | None,
    typer.Option(
        "--as-of",
        formats=_MOMENTS,
        help="The logical now. Default: PERENNIAL_AS_OF, else the wall clock.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, logs on stderr.")]
Identifier = Annotated[
    str,
    typer.Argument(help="An e-mail, phone, card, customer, account, device, order or profile id."),
]


def main() -> None:
    """Run a command; bad input ends in one line and exit code 1, never in a traceback."""
    # What is imported lives to the end: looking through it for garbage took 1.5 s a run, and
    # another 2 s when Python ended.
    gc.set_threshold(50_000)
    atexit.register(gc.freeze)
    try:
        for name in settings.unknown_variables():
            console.warn(f"nothing reads {name}; .env.example lists the settings.")
        app()
    except (PerennialError, SourceError) as error:
        console.error(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        console.error("stopped. Nothing is half done: the same command can be started again.")
        sys.exit(130)


@app.command("demo")
def run_demo(
    customers: Annotated[int, typer.Option(min=1, help="How many people shop.")] = 2469,
    seed: Annotated[int, typer.Option(help="The same seed gives the same world.")] = 1,
) -> None:
    """Sample data into an empty data directory, one whole run, two channels, and what to see.

    Example: PERENNIAL_DATA=/tmp/perennial perennial demo --customers 500
    """
    chosen = settings.load()
    demo.require_empty(chosen.data_dir)
    as_of = chosen.as_of or datetime.now(UTC).replace(microsecond=0)
    _write_sample(chosen.data_dir, customers, seed, as_of, None, 0.0)
    _build(chosen, as_of)
    with demo.receiver() as received:
        failed = _deliver(chosen, None, None, approve=False)
    views.summary(chosen)
    console.say(demo.closing_words(chosen, received))
    if failed:
        raise typer.Exit(1)


@app.command()
def sample(
    to: Annotated[Path, typer.Option("--to", help="A folder without a landing zone yet.")],
    customers: Annotated[int, typer.Option(min=1, help="How many people shop.")] = 2469,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    as_of: AsOf = None,
    lines_per_receipt: Annotated[
        int | None, typer.Option(min=1, help="At most so many lines of each receipt.")
    ] = None,
    dirty: Annotated[
        float, typer.Option(min=0, max=0.5, help="Share of malformed, doubled and late records.")
    ] = 0.0,
) -> None:
    """Write a sample world in the source formats, with truth/ beside it.

    Example: perennial sample --to /tmp/world --customers 500 --seed 7 --dirty 0.01
    """
    moment = _utc(as_of) or settings.load().as_of or datetime.now(UTC).replace(microsecond=0)
    _write_sample(to, customers, seed, moment, lines_per_receipt, dirty)


@app.command()
def run(
    as_of: AsOf = None,
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Build warehouse.duckdb anew from raw.")
    ] = False,
    reprocess: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE.TABLE",
            help="Load the table anew from landing, by today's rules; may be given again.",
        ),
    ] = None,
    accept_identity: Annotated[
        bool,
        typer.Option(
            "--accept-identity",
            help="Publish although identity's measures lie beyond their limits.",
        ),
    ] = False,
    known_at: Annotated[
        datetime | None,
        typer.Option(
            "--known-at",
            formats=_MOMENTS,
            help="Build only from what had been loaded by then, in a folder of its own.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Landing to published, once. Ends non-zero, with nothing published, when a gate closed.

    With --known-at it looks at the past instead: what the marts of a past day were, whatever came
    later. What is published now stays, and nothing is delivered of a look at the past.

    Examples: perennial run --as-of 2026-11-01

    perennial run --as-of 2026-06-30 --known-at 2026-07-01T06:00:00

    perennial run --reprocess pos.receipt_lines
    """
    chosen, moment = settings.load(), _utc(as_of)
    if known_at:
        if full_refresh or reprocess:
            raise PerennialError(
                "--known-at can't be combined with --full-refresh or --reprocess: a look at the "
                "past is always built anew, and loads nothing."
            )
        known = _utc(known_at) or known_at
        moment = moment or chosen.as_of or known
        chosen = _look_back(chosen, moment, known, quiet=as_json)
    result = _build(
        chosen,
        moment,
        full_refresh=full_refresh,
        reprocess=reprocess or [],
        accept_identity=accept_identity,
        quiet=as_json,
    )
    if as_json:
        console.document(views.run_document(chosen, result))
    else:
        views.build_summary(chosen)


@app.command()
def publish(
    audience: Annotated[str | None, typer.Option(help="Only this audience.")] = None,
    channel: Annotated[str | None, typer.Option(help="Only this channel.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Plan and count; send nothing.")
    ] = False,
    approve: Annotated[
        bool, typer.Option("--approve", help="Send a plan that is beyond its bounds.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Deliver the audiences of the published build: what changed since each channel's last word.

    Example: perennial publish --audience abandoned_carts --channel file --dry-run
    """
    chosen = settings.load()
    chosen.require_present()
    if dry_run:
        from dagster_project.publishing.deliver import deliver

        reports = [
            deliver(
                chosen.published,
                chosen.ledger,
                chosen.open_channel(kind),
                name,
                run_id="dry-run",
                at=datetime.now(UTC),
                holdout_salt=chosen.holdout_salt.get_secret_value(),
                maximum_removal_share=chosen.maximum_removal_share,
                approve=approve,
                dry_run=True,
            ).as_json()
            for name, kind in _pairs(chosen, audience, channel)
        ]
        console.document(reports) if as_json else views.deliveries(reports)
        return
    failed = _deliver(chosen, audience, channel, approve=approve, quiet=as_json)
    console.document(views.status_document(chosen)) if as_json else views.syncs(chosen)
    if failed:
        raise typer.Exit(1)


@app.command()
def status(as_json: Json = False) -> None:
    """Last runs, gates, audience sizes, what each channel answered.

    Example: perennial status --json
    """
    chosen = settings.load()
    console.document(views.status_document(chosen)) if as_json else views.status(chosen)


@app.command()
def report(
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html", help="Where to write it. Default: report.html in the data."
        ),
    ] = None,
) -> None:
    """One page of the published build: what customers are worth, who slows down, what to do.

    It opens without a network, on a phone as well, and names nobody.

    Example: perennial report --to /tmp/monday.html
    """
    from dagster_project.reporting import write_report

    chosen = settings.load()
    written = write_report(chosen.published, chosen.ledger, to or chosen.report)
    console.say(
        f"Wrote {written.path} ({written.byte_count / 1000:,.0f} kB). Open it in a browser."
    )


@app.command()
def docs(
    to: Annotated[
        Path,
        typer.Option(metavar="FILE.html", help="Where to write it."),
    ] = settings.PROJECT_ROOT / "dbt" / "target" / "docs.html",
) -> None:
    """Every table and column, what it means and where it comes from: dbt's docs as one page.

    Example: perennial docs --to /tmp/perennial.html
    """
    from dagster_project.defs.transform.docs import write_docs

    write_docs(settings.load(), to)
    console.say(f"Wrote {to}. Open it in a browser.")


@app.command()
def channels() -> None:
    """Each channel: the settings it needs, its limits, and whether its credentials are good."""
    views.channels(settings.load())


@profile_app.command("show")
def show(
    identifier: Identifier,
    path_to: Annotated[
        str | None,
        typer.Option(
            metavar="IDENTIFIER",
            help="Only what joins it to this one, link by link, or why nothing does.",
        ),
    ] = None,
    graph: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.svg", help="Draw what joined the identifiers, without their values."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """One person: profile, identifiers and why they were joined, orders, consents, audiences.

    Examples: perennial profile show ana.silva@example.com --graph ana.svg

    perennial profile show ana.silva@example.com --path-to loyalty_id:4012
    """
    from dagster_project.publishing.explanation import explain
    from dagster_project.publishing.profile import show as look_up

    chosen = settings.load()
    if path_to:
        found = explain(chosen.published, identifier, path_to)
        console.document(found) if as_json else views.explanation(found)
        return
    view = look_up(chosen.published, chosen.ledger, identifier)
    if graph:
        _write(graph, view.picture())
    console.document(view) if as_json else views.person(view)


@profile_app.command()
def forget(
    identifier: Identifier,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what there is of the person; delete nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    as_json: Json = False,
) -> None:
    """Erase one person everywhere, for ever, and have every channel delete them.

    Everything of theirs goes, orders too: revenue figures shift with the next run, and the ERP
    stays the place where orders are kept by law. Landed files are never touched; those that hold
    the person are named at the end. Run `perennial run` afterwards.

    Examples: perennial profile forget ana.silva@example.com --dry-run

    perennial profile forget phone:+351912345678 --yes
    """
    from dagster_project.channels.base import find
    from dagster_project.publishing.erasure.forget import Installation
    from dagster_project.publishing.erasure.forget import forget as erase

    chosen = settings.load()
    chosen.require_present()
    asked = yes or dry_run or not sys.stdin.isatty()
    if not asked and not typer.confirm("This can't be undone. Erase the person everywhere?"):
        raise typer.Exit(1)
    house = Installation(
        data=chosen.data_dir,
        published=chosen.published,
        warehouse=chosen.warehouse,
        ledger=chosen.ledger,
        overrides=chosen.overrides,
        salt=chosen.holdout_salt.get_secret_value(),
        default_country=chosen.default_country,
        open_channel=lambda name: chosen.open_channel(find(name)),
        objects_url=chosen.objects_url,
    )
    with console.Progress(quiet=as_json).shown() as progress:
        report = erase(
            house,
            identifier,
            at=datetime.now(UTC),
            dry_run=dry_run,
            progress=lambda what: progress.step("forget", what),
        )
    console.document(report.as_json()) if as_json else views.forgotten(report)
    if report.unacknowledged and not dry_run:
        raise typer.Exit(1)


@identity_app.command("train")
def train(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what was learnt and save nothing.")
    ] = False,
) -> None:
    """Learn from your own records how much a name, an address or a birth date tells of a person.

    Needs no labels. The model is saved under the next number in the data directory and used from
    the next run on, until another one is trained; delete it to go back to the one before.

    Example: perennial identity train --dry-run
    """
    from dagster_project import identity, warehouse
    from dagster_project.database import connect

    chosen = settings.load()
    with connect(chosen.warehouse, read_only=True) as connection:
        country = warehouse.current(connection).default_country
        model = identity.learn(connection, default_country=country)
    rows = [(name, kind, f"{bits:+.1f}") for name, kind, bits in identity.weights(model)]
    console.table("What agreement weighs", ["compared", "how", "bits"], rows)
    if dry_run:
        console.say("Nothing is saved: run it again without --dry-run.")
        return
    saved = identity.save_model(chosen.models, model)
    console.say(f"Saved as {saved.name}: `perennial run` uses it from now on.")


@identity_app.command("review")
def review(
    limit: Annotated[int, typer.Option(min=1, help="How many pairs.")] = 20,
    show: Annotated[bool, typer.Option("--show", help="With the identifiers themselves.")] = False,
    as_json: Json = False,
) -> None:
    """List who may be one person, the likeliest first, for somebody to decide.

    Examples: perennial identity review

    perennial identity review --limit 5 --show
    """
    from dagster_project.publishing import stewarding

    pairs = stewarding.review(settings.load().published, limit)
    if as_json:
        masked = {} if show else {"from_value": None, "to_value": None}
        console.document([pair | masked for pair in pairs])
    else:
        views.review(pairs, shown=show)


One = Annotated[str, typer.Argument(help="An identifier, order or profile id of the one.")]
Other = Annotated[str, typer.Argument(help="An identifier, order or profile id of the other.")]
Note = Annotated[str, typer.Option("--note", help="Why; written beside it, read by people only.")]
Planned = Annotated[bool, typer.Option("--dry-run", help="Say what would be written.")]


@identity_app.command("join")
def join(one: One, other: Other, note: Note = "", dry_run: Planned = False) -> None:
    """Decide that two are one person, from the next run on.

    Example: perennial identity join C10000045 loyalty_id:2600738197 --note "asked by phone"
    """
    _decide("must_link", one, other, note, dry_run)


@identity_app.command("separate")
def separate(one: One, other: Other, note: Note = "", dry_run: Planned = False) -> None:
    """Decide that two are never one person, whatever ties them, from the next run on.

    Example: perennial identity separate C10000045 loyalty_id:2600738197
    """
    _decide("cannot_link", one, other, note, dry_run)


@identity_app.command("undo")
def undo(one: One, other: Other) -> None:
    """Take back what was decided of two: the next run is as if it had never been.

    Example: perennial identity undo C10000045 loyalty_id:2600738197
    """
    from dagster_project.publishing import stewarding

    chosen = settings.load()
    rows = stewarding.undo(chosen.published, chosen.overrides, one, other)
    if not rows:
        console.say("Nothing was decided of these two.")
        raise typer.Exit(1)
    console.say(f"{rows} of your decisions is taken back. Next: `perennial run`.")


def _decide(kind: str, one: str, other: str, note: str, dry_run: bool) -> None:
    from dagster_project.publishing.stewarding import decide

    chosen = settings.load()
    decision = decide(
        chosen.published,
        chosen.overrides,
        kind,
        one,
        other,
        at=datetime.now(UTC),
        note=note,
        dry_run=dry_run,
    )
    views.decision(decision, chosen.overrides, dry_run=dry_run)


@app.command()
def dev(
    port: Annotated[int, typer.Option(help="Port of the UI.")] = 3000,
    host: Annotated[str, typer.Option(help="Address of the UI.")] = "127.0.0.1",
) -> None:
    """Open the Dagster UI with its daemon: the same runs as `perennial run` shows.

    Example: perennial dev --port 3333
    """
    from dagster_project.defs.runs import prepare_instance

    chosen = settings.load()
    _require_writable(chosen.data_dir)
    prepare_instance(chosen)
    console.say(f"The Dagster UI opens on http://{host}:{port} (Ctrl-C ends it).")
    program = str(Path(sys.executable).with_name("dagster"))
    # pyproject.toml names the code location.
    arguments = ["dev", "-h", host, "-p", str(port)]
    os.chdir(settings.PROJECT_ROOT)
    os.execv(program, [program, *arguments])  # noqa: S606 - the project's own interpreter's folder


def _write_sample(
    to: Path, customers: int, seed: int, as_of: datetime, lines: int | None, dirty: float
) -> None:
    from sources.sample import write_world

    with console.Progress().shown() as progress:
        progress.step("sample", f"{customers:,} customers")
        report = write_world(
            to,
            customers=customers,
            seed=seed,
            as_of=as_of,
            lines_per_receipt=lines,
            dirty=dirty,
            progress=lambda what: progress.step("sample", str(what)),
        )
        progress.count("people", report.people)
        progress.count("files", report.files)
        progress.count("rows", sum(report.rows.values()))


def _look_back(
    chosen: settings.Settings, as_of: datetime, known_at: datetime, *, quiet: bool
) -> settings.Settings:
    """The settings of a look at the past."""
    from dagster_project.publishing.past import Present, look_back

    chosen.require_present()
    if known_at > datetime.now(UTC):
        raise PerennialError(f"--known-at {known_at:%Y-%m-%d %H:%M:%S} UTC is still to come.")
    present = Present(
        data=chosen.data_dir,
        published=chosen.published,
        models=chosen.models,
        overrides=chosen.overrides,
        objects_url=chosen.objects_url,
    )
    if not present.data.is_dir():
        require_landing(Store(chosen.data_dir, chosen.objects_url))
    with console.Progress(quiet=quiet).shown() as progress:
        folder = look_back(
            present,
            as_of=as_of,
            known_at=known_at,
            progress=lambda what: progress.step("past", what),
        )
    return settings.load(data=str(folder))


def _build(
    chosen: settings.Settings,
    as_of: datetime | None,
    *,
    full_refresh: bool = False,
    reprocess: Sequence[str] = (),
    accept_identity: bool = False,
    quiet: bool = False,
) -> "RunResult":
    anew = [find_table(name).full_name for name in reprocess]
    # Before anything is made in a directory that was mistyped.
    if chosen.data_dir.exists():
        _require_writable(chosen.data_dir)
    require_landing(Store(chosen.data_dir, chosen.objects_url))

    from dagster_project.defs.runs import execute
    from sources.loader.load import declared_formats

    declared_formats(chosen.data_dir, chosen.formats_file)

    if full_refresh:
        chosen.warehouse.unlink(missing_ok=True)
    config: dict[str, Any] = {f"raw__{name}": {"config": {"reprocess": True}} for name in anew}
    if accept_identity:
        config["identity"] = {"config": {"accept_measures": True}}
    if as_of:
        config["meta__build"] = {"config": {"as_of": as_of.isoformat()}}
    with console.Progress(quiet=quiet).shown() as progress:
        result = execute("build", chosen, config=config, on_event=views.follow(progress))
    _require_success(result, "Nothing was published; what was published before stays.")
    return result


def _deliver(
    chosen: settings.Settings,
    audience: str | None,
    channel: str | None,
    *,
    approve: bool,
    quiet: bool = False,
) -> bool:
    """Deliver; returns whether any delivery failed, having said why."""
    from dagster_project.defs.runs import execute

    pairs = [(name, kind.name) for name, kind in _pairs(chosen, audience, channel)]
    config = {f"channels__{c}__{a}": {"config": {"approve": approve}} for a, c in pairs}
    with console.Progress(quiet=quiet).shown() as progress:
        result = execute(
            "deliver",
            chosen,
            config=config,
            select=[["channels", c, a] for a, c in pairs],
            on_event=views.follow(progress),
        )
    for _, reason in _once_each(result.failures):
        console.error(reason)
    return not result.success


def _pairs(
    chosen: settings.Settings, audience: str | None, channel: str | None
) -> list[tuple[str, Any]]:
    """Return the published audiences with their channels, as asked for; at least one pair."""
    from dagster_project.channels.base import discover, find
    from dagster_project.publishing.audience import read_audiences, require_audience
    from dagster_project.publishing.published import opened

    with opened(chosen.published) as connection:
        specs = read_audiences(connection)
    named = [require_audience(specs, audience)] if audience else list(specs.values())
    kinds = discover()
    if channel:
        find(channel)
    wanted = [
        (spec.name, kinds[name])
        for spec in named
        for name in spec.channels
        if channel in (None, name)
    ]
    ready = []
    for name, kind in wanted:
        tool = chosen.open_channel(kind)
        if channel:
            tool.require_settings()
        if not tool.missing():
            ready.append((name, kind))
    for skipped in sorted({kind.name for _, kind in wanted} - {kind.name for _, kind in ready}):
        console.warn(f"{skipped} isn't set up, so nothing goes there: see `perennial channels`.")
    if not ready:
        raise PerennialError("Nothing to deliver: no audience goes to a channel that is set up.")
    return ready


def _require_success(result: "RunResult", consequence: str) -> None:
    if result.success:
        return
    for step, reason in _once_each(result.failures):
        console.error(f"{step}: {reason}")
    raise PerennialError(f"{consequence} `perennial status` and the UI (`perennial dev`) say more.")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PerennialError(
            f"{path} can't be written ({error.strerror}): name a file in a folder that is there "
            "and that this user may write to."
        ) from None


def _once_each(failures: Mapping[str, str]) -> list[tuple[str, str]]:
    """Name the failed steps and why: one line a reason, however many steps it stopped."""
    by_reason: dict[str, list[str]] = {}
    for step, reason in failures.items():
        by_reason.setdefault(reason, []).append(step.replace("__", "/"))
    return [
        (f"{first} and {len(others)} more" if others else first, reason)
        for reason, (first, *others) in by_reason.items()
    ]


def _require_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError as error:
        raise PerennialError(
            f"The data directory {folder} can't be written ({error.strerror}): give this user "
            "the right to, or set PERENNIAL_DATA to another folder."
        ) from None


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


__all__: Sequence[str] = ("app", "main")
