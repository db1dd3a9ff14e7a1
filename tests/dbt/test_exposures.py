"""What dbt says of who reads its tables is what reads them."""

import re
from pathlib import Path

from marts_world import manifest

from dagster_project.channels.base import discover

FIGURES = Path(__file__).parents[2] / "dagster_project" / "reporting" / "figures.py"


def read_by(exposure: str) -> set[str]:
    """The tables that an exposure names."""
    (found,) = [each for each in manifest().exposures.values() if each.name == exposure]
    return {node.rpartition(".")[2] for node in found.depends_on.nodes}


def test_each_channel_names_the_audiences_that_go_there() -> None:
    sent: dict[str, set[str]] = {name: set() for name in discover()}
    for node in manifest().nodes.values():
        for channel in (
            node.config.meta.get("perennial", {}).get("audience", {}).get("channels", [])
        ):
            sent[channel].add(node.name)
    assert {name: read_by(f"{name}_channel") for name, audiences in sent.items() if audiences} == {
        name: audiences for name, audiences in sent.items() if audiences
    }
    assert sent["file"]


def test_the_report_names_the_marts_that_it_reads() -> None:
    read = set(re.findall(r"\bmarts\.([a-z_]+)", FIGURES.read_text(encoding="utf-8")))
    assert read_by("report") == read


def test_a_table_belongs_to_the_team_of_its_layer() -> None:
    groups = {
        (node.fqn[1], node.group, str(node.access).rpartition(".")[2].lower())
        for node in manifest().nodes.values()
        if node.resource_type == "model"
    }
    assert groups == {
        ("staging", "data_engineering", "protected"),
        ("intermediate", "data_engineering", "protected"),
        ("marts", "analytics", "public"),
        ("audiences", "crm", "protected"),
    }
