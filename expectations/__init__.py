"""Gates at the borders: what the world sent (raw), what we are about to say (marts, audiences).

One file for each gated table; its path is the asset key: `marts/customer_profiles.py` judges
`marts.customer_profiles`. To add a gate, add the file with its `EXPECTATIONS`. What holds for every
table of a stage stands in its `_every_table.py`, so that a new audience is gated before anybody
wrote a file for it. `rules.py` says how a rule is written, `suites.py` finds the rules, `runner.py`
asks Great Expectations whether they hold.
"""
