"""The page itself: words beside each picture, everything in one file that opens offline."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from dagster_project.database import put_in_place
from dagster_project.reporting.figures import Figures, Rows, read_figures

logger = logging.getLogger(__name__)
_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class ReportFile:
    """The file that was written."""

    path: Path
    byte_count: int


def write_report(published: Path, ledger: Path, to: Path) -> ReportFile:
    """Write the report of the published build as one HTML file; what was there stays until then.

    Raises NotPublishedError where there is none.
    """
    from dagster_project.reporting import charts  # Altair: a second, and seldom needed

    figures = read_figures(published, ledger)
    pictures = {
        name: Markup(draw(figures)) if rows else None  # noqa: S704 - drawn here, from numbers
        for name, draw, rows in (
            ("north_star", charts.north_star, figures.kpis),
            ("flow", charts.flow, figures.flow),
            ("cohorts", charts.cohorts, figures.cohorts),
            ("churn", charts.churn, figures.churn),
            ("slowdowns", charts.slowdowns, figures.slowdowns),
            ("calibration", charts.calibration, figures.calibration),
            ("audiences", charts.audiences, figures.audiences),
        )
    }
    page = _template().render(figures=figures, pictures=pictures, said=_said(figures))
    to.parent.mkdir(parents=True, exist_ok=True)
    temporary = to.with_name(f".{to.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(page, encoding="utf-8")
        put_in_place(temporary, to)
    finally:
        temporary.unlink(missing_ok=True)
    size = to.stat().st_size
    logger.info("report: %d bytes", size)
    return ReportFile(to, size)


def _template() -> jinja2.Template:
    room = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    room.filters |= {"count": _count, "share": _share, "shown": _shown, "words": _words}
    return room.get_template("page.html")


def _said(figures: Figures) -> dict[str, Any]:
    """The numbers that the words of the page are made of."""
    moved = {(row["before"], row["now"]): row["people"] for row in figures.flow}

    def went(now: Sequence[str], before: Sequence[str]) -> int:
        return sum(moved.get((b, n), 0) for n in now for b in before)

    here = ("new", "active", "reactivated")
    published = [row for row in figures.backtest if row["is_published"] and row["auc"]]
    model = published[0]["model"] if published else None
    plain = [r for r in figures.backtest if r["model"] in ("recency", "churn_factor", "frequency")]
    return {
        "slipped": went(("at_risk", "churned"), here),
        "lost": went(("churned",), (*here, "at_risk")),
        "won_back": went(("reactivated", "active"), ("churned", "at_risk")),
        "slowed": sum(row["people"] for row in figures.slowdowns),
        "slowed_here": sum(r["people"] for r in figures.slowdowns if r["stage"] != "churned"),
        "at_stake": sum(row["value_so_far"] or 0 for row in figures.slowdowns),
        "model": model,
        "auc": _mean(row["auc"] for row in published),
        "calibration_error": _mean(row["calibration_error"] for row in published),
        "plain_auc": max(
            (
                _mean(row["auc"] for row in plain if row["model"] == name and row["auc"]) or 0
                for name in {row["model"] for row in plain}
            ),
            default=None,
        ),
        "second_month": _second_month(figures.cohorts),
    }


def _second_month(cohorts: Rows) -> list[float]:
    """The share that bought in the month after the first, of the oldest and the newest cohort."""
    rates = [row["retention_rate"] for row in cohorts if row["months_since"] == 1]
    return [rates[0], rates[-1]] if len(rates) > 1 else []


def _mean(numbers: Any) -> float | None:
    known = list(numbers)
    return sum(known) / len(known) if known else None


def _count(number: float | None) -> str:
    return "–" if number is None else f"{number:,.0f}"


def _share(number: float | None) -> str:
    return "–" if number is None else f"{number:.1%}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _shown(row: Mapping[str, Any], which: str) -> str:
    number = row[which]
    if number is None:
        return "–"
    if row["kind"] == "share":
        return f"{number:.1%}"
    return f"{number:,.0f}" if row["kind"] == "count" else f"{number:,.2f}"
