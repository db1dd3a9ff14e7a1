"""Landed files to raw Parquet: every row is loaded or quarantined, once, whatever happens meanwhile.

A landed content is done when `raw/<source>/<table>/<sha256>.parquet` exists. That file is put in
place last, in one step, so a load may be killed at any moment and two may run at once: the worst
is that work is done again.
"""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import duckdb

from sources.contract import SourceError, Table
from sources.files import FileLoad
from sources.landing import LandedFile, landed_files
from sources.sql import file_literal, name
from sources.store import Store, replacing
from sources.verdict import Stamp, empty_table

_log = logging.getLogger(__name__)

# Called after each file with how many are done, how many there are, and the file's name.
Progress = Callable[[int, int, str], None]
