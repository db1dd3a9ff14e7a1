"""dbt's documentation of every table and column, as one page that opens offline."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from dbt.cli.main import dbtRunner

from dagster_project import database
from dagster_project.defs.transform.project import places, project, redacted
from dagster_project.errors import PerennialError
from dagster_project.settings import WAREHOUSE_VARIABLE, Settings, environment

_PAGE = "static_index.html"


def write_docs(settings: Settings, to: Path) -> None:
    """Write the page; types and row counts are in it where there is a warehouse to ask.

    Raises DatabaseLockedError while a build is under way.
    """
    command = ["docs", "generate", "--static", *places(project())]
    with TemporaryDirectory() as target:
        command += ["--target-path", target]
        if settings.warehouse.exists():
            with database.exclusive(settings.data_dir / ".build.lock", what="A build"):
                _invoke(command)
        else:
            with environment(**{WAREHOUSE_VARIABLE: ":memory:"}):
                _invoke([*command, "--empty-catalog"])
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(target) / _PAGE, to)


def _invoke(command: list[str]) -> None:
    outcome = dbtRunner().invoke(
        ["--quiet", "--log-level", "none", "--log-level-file", "none", *command]
    )
    if not outcome.success:
        raise PerennialError(f"dbt can't write its docs: {redacted(str(outcome.exception))}")
