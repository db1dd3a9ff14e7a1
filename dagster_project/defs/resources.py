"""What steps share: the settings, and the right to write the warehouse."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg
import duckdb
from pydantic import PrivateAttr

from dagster_project import database
from dagster_project.defs.failures import in_one_line
from dagster_project.settings import Settings, load

if TYPE_CHECKING:
    from collections.abc import Generator

# Runs with this tag queue behind each other when started from the UI.
BUILD_TAG = {"perennial/build": "true"}


class Warehouse(dg.ConfigurableResource):
    """The one writer of warehouse.duckdb: held from a run's first step to its last.

    The executor is in-process, so the lock lives as long as the run and is free when it is killed.
    A Dagster pool isn't: a killed run keeps its slot, and the next one waits for it for ever.
    """

    _settings: Settings = PrivateAttr(default_factory=load)
    _opened: duckdb.DuckDBPyConnection | None = PrivateAttr(default=None)

    @property
    def settings(self) -> Settings:
        """The settings of this installation."""
        return self._settings

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> "Generator[Warehouse]":  # noqa: ARG002
        """Take the build lock, or say who holds it."""
        self._settings.export()
        with database.exclusive(self._settings.data_dir / ".build.lock", what="A build"):
            try:
                yield self
            finally:
                self.release()

    @contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give a step its own connection to the warehouse.

        The file itself stays open until `release`, for dbt as well, which shares it within this
        process: opening it for each step took 4 s of a run, most of it checkpoints. What a person
        can mend ends the step in one line.
        """
        with in_one_line():
            self._opened = self._opened or database.connect(self._settings.warehouse)
            with database.connect(self._settings.warehouse) as connection:
                yield connection

    def release(self) -> None:
        """Close the file, so that another process, or the swap, can open it."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None


@dg.definitions
def defs() -> dg.Definitions:
    """Resources and the executor of every job."""
    return dg.Definitions(
        resources={"warehouse": Warehouse()},
        # Measured on six steps: 5 s a run in-process, 28 s with a process for each step.
        executor=dg.in_process_executor,
    )
