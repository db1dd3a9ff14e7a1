"""Every benchmark, one after the other: `make bench`."""

import runpy

for name in ("ndjson_ingest", "erp_extract", "identity", "marts", "road"):
    runpy.run_module(f"tests.benchmarks.{name}", run_name="__main__")
