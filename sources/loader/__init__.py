"""The road from landed files to raw Parquet: `load.load_table`, and what it is made of."""
