"""What a channel is: told what to add, update and remove, it answers for every single record."""

import importlib
import inspect
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel

from dagster_project.channels.normalise import public_reason
from dagster_project.errors import PerennialError

# Columns of a batch that are the platform's; every other column is what the tool should receive.
OWN_COLUMNS = ("profile_id", "operation")
UNANSWERED = "unanswered"
# What stands for the build in a batch that asks to erase people: no build says it.
ERASURE = "erasure"


class RetriableError(PerennialError):
    """The call may succeed if it is made again: a time-out, too many calls, a server in trouble."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class FatalError(PerennialError):
    """The call can't succeed however often it is made: credentials, address or contract."""


class ChannelNotConfiguredError(FatalError):
    """A setting that the channel can't do without isn't set."""


class UnknownChannelError(PerennialError):
    """No channel has that name."""


class Operation(StrEnum):
    """What the tool is asked to do with one profile."""

    ADD = "add"
    UPDATE = "update"
    REMOVE = "remove"
    ERASE = "erase"


class AnswerState(StrEnum):
    """What the tool said about one record."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"


@dataclass(frozen=True)
class Limits:
    """What the vendor accepts: `batch_size` records a call, None when one call takes everything."""

    batch_size: int | None


@dataclass(frozen=True)
class Batch:
    """Records for one call, removals before additions.

    `records` holds profile_id, operation and the columns to send, typed as in the audience table;
    those are null in a removal. `batch_id` is the same when the same records of the same build are
    sent again, after a crash too: tools that know idempotency keys get it as theirs.
    """

    batch_id: str
    audience: str
    build_id: str
    at: datetime
    sequence: int
    batch_count: int
    records: pa.Table

    @property
    def size(self) -> int:
        """How many records the batch holds."""
        return int(self.records.num_rows)

    @property
    def columns(self) -> list[str]:
        """The columns that the tool should receive."""
        return [c for c in self.records.column_names if c not in OWN_COLUMNS]


@dataclass(frozen=True)
class Answers:
    """One row a record: profile_id, state (acknowledged | refused), reason (if refused).

    A reason holds nothing personal.
    """

    table: pa.Table

    @classmethod
    def acknowledged(cls, batch: Batch) -> "Answers":
        """Answer that the tool has taken every record."""
        return cls.partial(batch, {})

    @classmethod
    def partial(cls, batch: Batch, refused: Mapping[str, str]) -> "Answers":
        """Answer that the tool has taken every record but those in `refused`, with its reasons.

        A reason is the tool's own text: whatever it repeats of the record is masked.
        """
        ids = batch.records.column("profile_id").combine_chunks()
        if not refused:
            states = pa.array([AnswerState.ACKNOWLEDGED.value]).take(
                pa.nulls(len(ids), pa.int8()).fill_null(0)
            )
            return cls._of(ids, states, pa.nulls(len(ids), pa.string()))
        found = pc.index_in(ids, pa.array(list(refused), pa.string()))
        states = pc.if_else(
            pc.is_valid(found), AnswerState.REFUSED.value, AnswerState.ACKNOWLEDGED.value
        )
        public = _masked(batch, refused)
        reasons = pa.array([public[i] for i in refused], pa.string()).take(found)
        return cls._of(ids, states, reasons)

    @classmethod
    def refused(cls, batch: Batch, reason: str) -> "Answers":
        """Answer that the tool has refused every record, for one reason."""
        return cls.partial(
            batch, dict.fromkeys(batch.records.column("profile_id").to_pylist(), reason)
        )

    @classmethod
    def by_record(cls, batch: Batch, results: Iterable[tuple[str, bool, str | None]]) -> "Answers":
        """Answer from (profile_id, taken, reason); a record nobody spoke of counts as refused.

        Where a tool says both of one record, the refusal stands.
        """
        taken: set[str] = set()
        refused: dict[str, str] = {}
        for profile_id, is_taken, reason in results:
            if is_taken:
                taken.add(profile_id)
            else:
                refused[profile_id] = reason or "no reason given"
        for profile_id in batch.records.column("profile_id").to_pylist():
            if profile_id not in taken and profile_id not in refused:
                refused[profile_id] = UNANSWERED
        return cls.partial(batch, refused)

    @classmethod
    def _of(cls, ids: pa.Array, states: pa.Array, reasons: pa.Array) -> "Answers":
        return cls(pa.table({"profile_id": ids, "state": states, "reason": reasons}))


def _masked(batch: Batch, refused: Mapping[str, str]) -> dict[str, str]:
    """Reasons without anything that the refused record itself holds."""
    wanted = pc.is_in(batch.records.column("profile_id"), pa.array(list(refused), pa.string()))
    own: dict[str, list[str]] = {}
    if batch.columns:
        rows = batch.records.filter(wanted).select(["profile_id", *batch.columns]).to_pydict()
        for position, profile_id in enumerate(rows["profile_id"]):
            values = (rows[column][position] for column in batch.columns)
            own[profile_id] = [str(value) for value in values if value is not None]
    return {
        i: reason if reason == UNANSWERED else public_reason(reason, own.get(i, ()))
        for i, reason in refused.items()
    }


@dataclass(frozen=True)
class CheckResult:
    """Whether the channel could be used now, and if not, what to do."""

    is_ready: bool
    message: str


class NoSettings(BaseModel):
    """A channel without settings."""


class Channel(ABC):
    """One channel tool.

    `Settings` is the pydantic model whose fields are read from PERENNIAL_<NAME>_<FIELD>. `folder`
    is where the channel may keep files of its own; channels that keep none ignore it.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str]
    limits: ClassVar[Limits]
    Settings: ClassVar[type[BaseModel]] = NoSettings

    def __init__(self, settings: BaseModel, folder: Path | None = None) -> None:
        if not isinstance(settings, self.Settings):
            raise TypeError(f"{self.name} takes {self.Settings.__qualname__} as its settings")
        self.folder = folder
        self.configure(settings)

    def configure(self, settings: Any) -> None:  # noqa: B027 - a channel may need nothing
        """Keep what the channel needs of its settings; opens nothing."""

    @property
    def batch_size(self) -> int | None:
        """How many records one call takes here: the vendor's limit, or less by a setting."""
        return self.limits.batch_size

    def missing(self) -> tuple[str, ...]:
        """Names of the settings fields without which the channel can't be used."""
        return ()

    @abstractmethod
    def check(self) -> CheckResult:
        """Ask the tool whether the credentials are good, without changing anything there."""

    @abstractmethod
    def apply(self, batch: Batch) -> Answers:
        """Carry out one batch and answer for each record; safe to call again with the same batch.

        Raises RetriableError or FatalError when there is no answer for any of the records.
        """

    def erase(self, batch: Batch) -> Answers:
        """Delete the people of the batch from the tool, not only from the audience."""
        position = batch.records.column_names.index("operation")
        operations = pa.array([Operation.ERASE.value] * batch.size, pa.string())
        records = batch.records.set_column(position, "operation", operations)
        return self.apply(replace(batch, records=records))

    def close(self) -> None:  # noqa: B027 - a channel may hold nothing
        """Give back connections; the channel isn't used after it."""

    def require_settings(self) -> None:
        """Raise ChannelNotConfiguredError, naming the variables, when settings are missing."""
        if names := [f"PERENNIAL_{self.name}_{field}".upper() for field in self.missing()]:
            raise ChannelNotConfiguredError(
                f"The channel {self.name} isn't configured: set {' and '.join(names)} in the "
                "environment or in .env, then try again."
            )


def discover() -> dict[str, type[Channel]]:
    """Every channel by its name: the concrete Channel classes in the modules of this package."""
    import dagster_project.channels as package

    found: dict[str, type[Channel]] = {}
    for module_info in sorted(pkgutil.iter_modules(package.__path__), key=lambda m: m.name):
        module = importlib.import_module(f"{package.__name__}.{module_info.name}")
        for _, member in inspect.getmembers(module, inspect.isclass):
            is_channel = issubclass(member, Channel) and not inspect.isabstract(member)
            if is_channel and member.__module__ == module.__name__:
                found[member.name] = member
    return found


def find(name: str) -> type[Channel]:
    """Return the channel of that name, or say which there are."""
    channels = discover()
    if name not in channels:
        raise UnknownChannelError(
            f"There is no channel '{name}'. There are: {', '.join(channels)}. "
            "A channel is a module in dagster_project/channels/."
        )
    return channels[name]
