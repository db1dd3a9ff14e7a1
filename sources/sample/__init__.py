"""A sample world on real shopping: `write_world` makes landing files, and the truth about them."""

from sources.sample.engine import HOUSEHOLDS, SampleError
from sources.sample.world import WorldReport, write_world

__all__ = ["HOUSEHOLDS", "SampleError", "WorldReport", "write_world"]
