"""What the model said beside what happened, drawn as SVG; shares of customers, nobody's own."""

from collections.abc import Sequence

from dagster_project.prediction.backtest import Backtest


def draw_calibration(tests: Sequence[Backtest], model: str) -> str:
    """A line for each past day: tenths of the customers, the share said and the share that came.

    Points on the diagonal are tenths of which as many returned as the model had said.
    """
    import altair as alt  # half a second, and seldom needed
    import vl_convert

    said, came, ago = "the model said", "returned", "days ago"
    told = [(test.days, decile) for test in tests if test.model == model for decile in test.deciles]
    points = [{said: of.predicted, came: of.returned, ago: str(days)} for days, of in told]
    highest = max((share for _, of in told for share in (of.predicted, of.returned)), default=1.0)
    scale = alt.Scale(domain=[0, highest], nice=True)
    share = alt.Axis(format="%", tickCount=5)
    drawn = (
        alt.Chart(alt.InlineData(values=points))
        .mark_line(point=True)
        .encode(
            x=alt.X(said, type="quantitative", scale=scale, axis=share),
            y=alt.Y(came, type="quantitative", scale=scale, axis=share),
            color=alt.Color(ago, type="nominal"),
        )
        .properties(width=320, height=320)
    )
    diagonal = (
        alt.Chart(alt.InlineData(values=[{"at": at} for at in (0.0, highest)]))
        .mark_line(color="#94a3b8", strokeDash=[4, 4])
        .encode(x=alt.X("at:Q", title=said), y=alt.Y("at:Q", title=came))
    )
    svg: str = vl_convert.vegalite_to_svg((diagonal + drawn).to_dict())
    return svg
