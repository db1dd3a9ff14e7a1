"""One person's identifiers and what joined them, drawn as SVG: kinds and numbers, never a value.

On the left the anchor, then what is tied to it, column by column; other links are thin bows; what
almost joined another person is dotted; what is demoted is grey. The same rows give the same bytes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree as ET

from dagster_project.publishing.tree import (
    Identifier,
    Row,
    in_tree_order,
    joined_to,
    kind,
    labels,
    link_ends,
    named,
    rule,
)

MOST_NODES = 40
_MOST_ALMOST = 8  # links to other persons

_COLORS = {
    "erp_customer_id": "#4f46e5",
    "loyalty_id": "#be185d",
    "user_id": "#0e7490",
    "tax_id": "#7c3aed",
    "email": "#047857",
    "phone": "#a16207",
    "payment_card": "#c2410c",
    "anonymous_id": "#0369a1",
    "device_id": "#4d7c0f",
}
_INK, _SOFT, _LINE, _PALE = "#0f172a", "#64748b", "#94a3b8", "#cbd5e1"
_RED, _AMBER = "#dc2626", "#b45309"
_ALIKE, _DOTTED = "8 5", "2 5"
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

# In pixels.
_WIDTH, _HEIGHT, _COLUMN, _ROW, _MARGIN, _TOP, _BOTTOM = 150, 42, 350, 60, 28, 88, 52
_BEND, _CLEAR = 46, 30  # where a line has turned; what is kept free of words before a box


@dataclass
class _Node:
    """A box; `words` stand above and below the line that leads to it from the left."""

    title: str
    below: str
    color: str
    words: tuple[str, str] = ("", "")
    dash: str = ""
    children: list["_Node"] = field(default_factory=list)
    column: int = 0
    row: float = 0

    @property
    def x(self) -> int:
        """Its left side."""
        return _MARGIN + self.column * _COLUMN

    @property
    def y(self) -> float:
        """Its middle."""
        return _TOP + self.row * _ROW + _HEIGHT / 2

    def walk(self) -> Iterator["_Node"]:
        """Itself, and what hangs on it."""
        yield self
        for child in self.children:
            yield from child.walk()


def draw_person(
    identifiers: Sequence[Row],
    links: Sequence[Row] = (),
    cut_links: Sequence[Row] = (),
    review: Sequence[Row] = (),
) -> str:
    """Draw rows of marts.customer_identifiers, identity_links, identity_cut_links and _review."""
    shown = in_tree_order(identifiers)[:MOST_NODES]
    names = labels(identifiers)
    nodes = {named(row): _node(row, names[named(row)]) for row in shown}
    roots: list[_Node] = []
    for row in shown:
        siblings = nodes[nearer].children if (nearer := joined_to(row)) in nodes else roots
        siblings.append(nodes[named(row)])
    bows = [(one, other, _PALE, "") for one, other in _other_links(shown, links)]
    for almost in [*cut_links, *review][:_MOST_ALMOST]:
        color, words = _why_apart(almost)
        ends = link_ends(almost)
        own = [end for end in ends if end in nodes]
        if len(own) == 2:
            bows.append((own[0], own[1], color, _DOTTED))
        elif own:
            other = ends[1 - ends.index(own[0])]
            stub = _Node("another person", kind(other[0]), color, words, _DOTTED)
            nodes[own[0]].children.append(stub)
    rows = 0
    for root in roots:
        rows = _place(root, column=0, rows=rows)
    drawn = [node for root in roots for node in root.walk()]
    columns = 1 + max((node.column for node in drawn), default=0)
    legend = _legend(drawn, has_bows=bool(bows))
    width = 2 * _MARGIN + max((columns - 1) * _COLUMN + _WIDTH, 440, 6 * len(legend))
    height = _TOP + rows * _ROW + _BOTTOM
    svg = _canvas(width, height)
    _say(svg, _MARGIN, 38, "Why these identifiers are one person's", 18, _INK, weight="600")
    _say(svg, _MARGIN, 60, _summary(identifiers, links, len(shown)), 13, _SOFT)
    for one, other, color, dash in bows:
        _bow(svg, nodes[one], nodes[other], color, dash)
    for node in drawn:
        for child in node.children:
            _branch(svg, node, child)
    for node in drawn:
        _box(svg, node)
    _say(svg, _MARGIN, height - 18, legend, 11, _SOFT)
    return ET.tostring(svg, encoding="unicode") + "\n"


def _legend(drawn: Sequence[_Node], *, has_bows: bool) -> str:
    colors = {node.color for node in drawn if node.dash == _DOTTED}
    entries = {
        "The leftmost was seen first of all.": True,
        "Thin lines: seen together as well.": has_bows,
        "Dashed: alike.": any(node.dash == _ALIKE for node in drawn),
        "Red: cut, their records contradict each other.": _RED in colors,
        "Amber: a steward decides.": _AMBER in colors,
        "Grey: shared by too many, joins nobody.": _LINE in colors,
    }
    return "  ".join(entry for entry, is_there in entries.items() if is_there)


def _node(row: Row, label: str) -> _Node:
    if row.get("is_demoted"):
        found = f"{row.get('person_count') or 0} found, {row.get('person_limit') or 0} at most"
        return _Node(label, found, _LINE, dash=_DOTTED)
    count = row.get("record_count") or 0
    rule_name, score = str(row.get("joined_by") or ""), row.get("joined_score")
    via = row.get("joined_via") if rule_name != "must_link" else None
    alike = f" {_percent(score)}" if rule_name == "alike" and score else ""
    return _Node(
        label,
        f"{row.get('source') or '–'} · {count:,} record{'s' * (count != 1)}",
        _COLORS.get(row["identifier_type"], _INK),
        (rule(rule_name) + alike, _where(via, row.get("joined_at"))),
        _ALIKE if rule_name == "alike" else "",
    )


def _why_apart(almost: Row) -> tuple[str, tuple[str, str]]:
    """The colour and the words of a cut link, or of a pair for review."""
    if "reason" in almost:
        return _AMBER, (f"alike {_percent(almost['probability'])}", str(almost["reason"]))
    where = _where(almost.get("source"), almost.get("first_seen_at"))
    return _RED, (f"cut: {rule(str(almost['rule']))}", where)


def _percent(probability: float) -> str:
    """Never 100 %: a likeness isn't certain."""
    return f"{min(probability, 0.999):.1%}"


def _where(source: Any, since: Any) -> str:
    return " · ".join(filter(None, [source, f"{since:%Y-%m-%d}" if since else ""]))


def _summary(identifiers: Sequence[Row], links: Sequence[Row], shown_count: int) -> str:
    joined = sum(not row.get("is_demoted") for row in identifiers)
    sources = sorted({str(row["source"]) for row in identifiers if row.get("source")})
    left_out = len(identifiers) - shown_count
    return f"{joined} identifiers from {', '.join(sources) or 'no source'}; {len(links)} links" + (
        f"; the first {shown_count} are drawn, {left_out} more aren't" if left_out else ""
    )


def _other_links(shown: Sequence[Row], links: Sequence[Row]) -> list[tuple[Identifier, Identifier]]:
    """Pairs of drawn identifiers that links tie and no branch does, each once."""
    drawn = {named(row) for row in shown}
    branches = {frozenset([named(row), joined_to(row) or named(row)]) for row in shown}
    pairs = {frozenset(link_ends(link)) for link in links} - branches
    return sorted((min(pair), max(pair)) for pair in pairs if len(pair) == 2 and pair <= drawn)


def _place(node: _Node, *, column: int, rows: int) -> int:
    """Give each leaf a row and each other node the middle of its children's; returns the rows."""
    node.column = column
    if not node.children:
        node.row = rows
        return rows + 1
    for child in node.children:
        rows = _place(child, column=column + 1, rows=rows)
    node.row = (node.children[0].row + node.children[-1].row) / 2
    return rows


def _canvas(width: int, height: int) -> ET.Element:
    svg = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "width": str(width),
            "height": str(height),
            "viewBox": f"0 0 {width} {height}",
            "font-family": _FONT,
        },
    )
    ET.SubElement(svg, "rect", {"width": str(width), "height": str(height), "fill": "#ffffff"})
    return svg


def _branch(svg: ET.Element, parent: _Node, child: _Node) -> None:
    start, middle, end = parent.x + _WIDTH, parent.x + _WIDTH + _BEND / 2, parent.x + _WIDTH + _BEND
    way = f"M{start} {parent.y}C{middle} {parent.y} {middle} {child.y} {end} {child.y}H{child.x}"
    _line(svg, way, child.color if child.dash == _DOTTED else _LINE, child.dash, 1.6)
    center = (end + child.x - _CLEAR) / 2
    _say(svg, center, child.y - 6, child.words[0], 11, _INK, anchor="middle")
    _say(svg, center, child.y + 14, child.words[1], 10, _SOFT, anchor="middle")


def _bow(svg: ET.Element, one: _Node, other: _Node, color: str, dash: str) -> None:
    """From side to side, bent to the left, where no words are."""
    bend = min(one.x, other.x) - _CLEAR + 2
    way = f"M{one.x} {one.y}C{bend} {one.y} {bend} {other.y} {other.x} {other.y}"
    _line(svg, way, color, dash, 1.2)


def _line(svg: ET.Element, way: str, stroke: str, dash: str, width: float) -> None:
    style = {"d": way, "fill": "none", "stroke": stroke, "stroke-width": str(width)}
    ET.SubElement(svg, "path", style | ({"stroke-dasharray": dash} if dash else {}))


def _box(svg: ET.Element, node: _Node) -> None:
    style = {
        "x": str(node.x),
        "y": str(node.y - _HEIGHT / 2),
        "width": str(_WIDTH),
        "height": str(_HEIGHT),
        "rx": "9",
        "fill": _tint(node.color),
        "stroke": node.color,
        "stroke-width": "1.6",
    }
    dotted = {"stroke-dasharray": _DOTTED} if node.dash == _DOTTED else {}
    ET.SubElement(svg, "rect", style | dotted)
    _say(svg, node.x + 12, node.y - 2, node.title, 13, node.color, weight="600")
    _say(svg, node.x + 12, node.y + 13, node.below, 10, _SOFT)


def _tint(color: str) -> str:
    """A twelfth of the colour on white, so that no line shows through."""
    parts = (int(color[place : place + 2], 16) for place in (1, 3, 5))
    return "#" + "".join(f"{255 - (255 - part) // 12:02x}" for part in parts)


def _say(
    svg: ET.Element,
    x: float,
    y: float,
    words: str,
    size: int,
    color: str,
    *,
    weight: str = "400",
    anchor: str = "start",
) -> None:
    if not words:
        return
    style = {"font-size": str(size), "fill": color, "font-weight": weight, "text-anchor": anchor}
    if anchor == "middle":  # on a line: white around it keeps it readable
        style |= {"stroke": "#ffffff", "stroke-width": "4", "paint-order": "stroke"}
    text = ET.SubElement(svg, "text", {"x": str(x), "y": str(y)} | style)
    # A control character isn't XML, however it is written.
    text.text = "".join(letter for letter in words if letter.isprintable())
