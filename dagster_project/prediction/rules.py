"""The numbers of rules.toml."""

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

from dagster_project.errors import PerennialError

RULES_FILE = Path(__file__).with_name("rules.toml")


@dataclass(frozen=True, slots=True)
class Rules:
    """How far predictions look, what they learn from, when they are good enough: see rules.toml."""

    horizon_days: int
    value_days: int
    learn_days: int
    learn_customers: int
    habit_days: int
    habit_gaps: int
    habit_changes: int
    backtest_days: tuple[int, ...]
    backtest_customers: int
    rank_worse: float
    calibration_error: float
    least_customers: int
    least_of_each: int


def load_rules(path: Path = RULES_FILE) -> Rules:
    """Read the rules; PerennialError names the number that is missing, unknown or not positive."""
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PerennialError(f"{path} can't be read: {error}.") from error
    told |= told.pop("gates", {})
    names = {field.name for field in fields(Rules)}
    if wrong := sorted(names ^ told.keys()):
        raise PerennialError(
            f"{path} should hold {', '.join(sorted(names))}; see to {', '.join(wrong)}."
        )
    for name, value in told.items():
        numbers = value if name == "backtest_days" else [value]
        if not isinstance(numbers, list) or not all(_is_positive(number) for number in numbers):
            raise PerennialError(f"{path} has {name} = {value!r}, which should be above 0.")
    return Rules(**told | {"backtest_days": tuple(told["backtest_days"])})


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
