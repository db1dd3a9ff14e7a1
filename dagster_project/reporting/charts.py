"""The report's pictures, as SVG that takes the page's own ink: readable light and dark."""

from typing import Any

import altair as alt
import vl_convert

from dagster_project.reporting.figures import STAGES, Figures, Rows

_INK, _WIDTH = "currentColor", 400
_BLUE, _ORANGE, _GREY = "#3b82c4", "#d97706", "#94a3b8"
_CONFIG: dict[str, Any] = {
    "background": None,
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": _INK,
        "titleColor": _INK,
        "gridColor": _GREY,
        "gridOpacity": 0.25,
        "domainColor": _GREY,
        "tickColor": _GREY,
        "labelFontSize": 14,
        "titleFontSize": 14,
        "titleFontWeight": "normal",
    },
    "legend": {"labelColor": _INK, "titleColor": _INK, "labelFontSize": 14, "titleFontSize": 14},
    "text": {"color": _INK, "fontSize": 13},
}
_PERCENT = alt.Axis(format="%", tickCount=5)


def _svg(chart: alt.TopLevelMixin) -> str:
    drawn: str = vl_convert.vegalite_to_svg({**chart.to_dict(), "config": _CONFIG})
    return drawn


def _data(rows: Rows) -> alt.InlineData:
    return alt.InlineData(
        values=[
            {
                name: value.isoformat() if hasattr(value, "isoformat") else value
                for name, value in row.items()
            }
            for row in rows
        ]
    )


def north_star(figures: Figures) -> str:
    """The value of a customer, day by day."""
    return _svg(
        alt.Chart(_data(figures.kpis))
        .mark_area(line={"color": _BLUE}, color=_BLUE, opacity=0.2)
        .encode(
            x=alt.X("day:T", title=None, axis=alt.Axis(tickCount=6)),
            y=alt.Y("lifetime_value:Q", title=f"value of a customer so far ({figures.currency})"),
        )
        .properties(width=_WIDTH, height=200)
    )


def flow(figures: Figures) -> str:
    """From which stage to which people went in thirty days."""
    base = alt.Chart(_data(figures.flow)).encode(
        x=alt.X("now:N", title="stage today", sort=list(STAGES), axis=alt.Axis(labelAngle=-35)),
        y=alt.Y("before:N", title="stage 30 days ago", sort=[*STAGES, "not known yet"]),
    )
    people = alt.Color(
        "people:Q", scale=alt.Scale(type="symlog", range=["#3b82c422", _BLUE]), legend=None
    )
    return _svg(
        (
            base.mark_rect(stroke=_GREY, strokeOpacity=0.3).encode(color=people)
            + base.mark_text().encode(text=alt.Text("people:Q", format=","))
        ).properties(width=_WIDTH - 60, height=240)
    )


def cohorts(figures: Figures) -> str:
    """Which share of each month's new customers bought again, month by month."""
    base = alt.Chart(_data(figures.cohorts)).encode(
        x=alt.X(
            "months_since:O", title="months since the first purchase", axis=alt.Axis(labelAngle=0)
        ),
        y=alt.Y("cohort:O", title="first purchase in", timeUnit="utcyearmonth"),
    )
    share = alt.Color(
        "retention_rate:Q", scale=alt.Scale(domain=[0, 1], range=["#3b82c408", _BLUE]), legend=None
    )
    return _svg(
        (
            base.mark_rect().encode(color=share)
            + base.mark_text(fontSize=10).encode(text=alt.Text("retention_rate:Q", format=".0%"))
        ).properties(width=_WIDTH, height=280)
    )


def churn(figures: Figures) -> str:
    """The chance to return, by how far a silence exceeds one's own rhythm."""
    base = alt.Chart(_data(figures.churn)).encode(
        x=alt.X("band:N", title="churn factor", sort=None, axis=alt.Axis(labelAngle=-35))
    )
    spread = base.mark_rule(color=_GREY, strokeWidth=2).encode(
        y=alt.Y("low:Q", title="chance to buy in the horizon", axis=_PERCENT), y2="high:Q"
    )
    mean = base.mark_point(filled=True, color=_BLUE, opacity=1).encode(
        y="return_probability:Q",
        size=alt.Size("people:Q", scale=alt.Scale(range=[40, 400]), legend=None),
    )
    return _svg((spread + mean).properties(width=_WIDTH, height=220))


def slowdowns(figures: Figures) -> str:
    """Who slowed down, by where they stand."""
    return _svg(
        alt.Chart(_data(figures.slowdowns))
        .mark_bar()
        .encode(
            x=alt.X("people:Q", title="people", axis=alt.Axis(tickCount=5)),
            y=alt.Y("stage:N", title=None, sort=list(STAGES)),
            color=alt.Color(
                "severity:N",
                title="slowdown",
                scale=alt.Scale(domain=["moderate", "severe"], range=[_ORANGE, "#b91c1c"]),
            ),
        )
        .properties(width=_WIDTH - 60, height=160)
    )


def calibration(figures: Figures) -> str:
    """What the models of past days said, and what came."""
    rows = [row | {"days ago": str(row["horizon_days"])} for row in figures.calibration]
    diagonal = (
        alt.Chart(_data([{"at": 0}, {"at": 1}]))
        .mark_line(color=_GREY, strokeDash=[4, 4])
        .encode(x="at:Q", y="at:Q")
    )
    said = (
        alt.Chart(_data(rows))
        .mark_line(point=True)
        .encode(
            x=alt.X("predicted_share:Q", title="the model said", axis=_PERCENT),
            y=alt.Y("returned_share:Q", title="returned", axis=_PERCENT),
            color=alt.Color("days ago:N", scale=alt.Scale(range=[_BLUE, _ORANGE, "#059669"])),
        )
    )
    return _svg((diagonal + said).properties(width=_WIDTH - 80, height=260))


def audiences(figures: Figures) -> str:
    """How many people each audience has."""
    return _svg(
        alt.Chart(_data([{k: row[k] for k in ("audience", "people")} for row in figures.audiences]))
        .mark_bar(color=_BLUE)
        .encode(
            x=alt.X("people:Q", title="people", axis=alt.Axis(tickCount=5)),
            y=alt.Y("audience:N", title=None, sort="-x"),
        )
        .properties(width=_WIDTH - 100, height=24 * max(len(figures.audiences), 1))
    )
