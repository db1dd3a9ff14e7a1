"""How a step says what went wrong."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from dagster_project.errors import PerennialError
from sources.contract import SourceError


@contextmanager
def in_one_line() -> Iterator[None]:
    """End a step with the one line that says what to do, where a person can mend it.

    Anything else is a defect, and keeps its stack trace.
    """
    try:
        yield
    except (PerennialError, SourceError) as error:
        raise dg.Failure(str(error)) from None
