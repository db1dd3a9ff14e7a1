"""GX's custom SQL expectation, which asks once.

GX asks twice, for the count and for a sample of the rows: of 3.6 s that raw's gates took in DuckDB
at 50,000 customers, half were for rows that nobody may see.
"""

from typing import Any, ClassVar

from great_expectations.expectations.core.unexpected_rows_expectation import (
    UnexpectedRowsExpectation,
)

_COUNT = "unexpected_rows_query.row_count"


class CountedRows(UnexpectedRowsExpectation):
    """The query of an `UnexpectedRowsExpectation` has no rows; only their count is asked."""

    metric_dependencies: ClassVar[tuple[str, ...]] = (_COUNT,)

    def _validate(self, metrics: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        return {"success": metrics[_COUNT] == 0, "result": {"observed_value": metrics[_COUNT]}}
