"""When a table of the ERP was last compared whole: a mark beside the files that it landed.

Not in those files, as a read that finds nothing new lands none. A mark that is missing or damaged
only has everything compared once more.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sources.loader.store import commit, temporary

# An underscore first: to the loader it isn't there.
_FILE = "_read.json"
_READ_AT = "whole_read_at"
# Of a day an hour: today's build may begin a little earlier than yesterday's.
_EARLY_SHARE = 24


@dataclass(frozen=True)
class WholeReads:
    """The whole reads of the table that lands in `folder`."""

    folder: Path

    def is_due(self, now: datetime, after: timedelta) -> bool:
        """Whether the last one is so long ago, or nobody knows when it was."""
        last = self._last()
        # One of later is of a clock that was set back since.
        return last is None or last > now or now - last >= after - after / _EARLY_SHARE

    def remember(self, read_at: datetime) -> None:
        """Write down that everything was compared with the ERP of `read_at`."""
        final = self.folder / _FILE
        with temporary(final) as written:
            written.write_text(json.dumps({_READ_AT: read_at.isoformat()}), encoding="utf-8")
            commit(written, final)

    def _last(self) -> datetime | None:
        try:
            known = json.loads((self.folder / _FILE).read_text(encoding="utf-8"))
            last = datetime.fromisoformat(known[_READ_AT])
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return last if last.tzinfo else None
