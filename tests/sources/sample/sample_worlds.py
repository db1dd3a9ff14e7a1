"""What the tests of this room share: when their worlds are seen from, and how to read a file."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

AS_OF = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)


def lines_of(file: Path) -> list[bytes]:
    """A text file's lines, unpacked."""
    content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    return content.splitlines()
