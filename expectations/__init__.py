"""Gates at the borders: what the world sent (raw), what we are about to say (marts, audiences).

One file for each gated table; its path is the asset key: `marts/customer_profiles.py` judges
`marts.customer_profiles`. `rules.py` says how a rule is written, `runner.py` asks Great
Expectations whether the rules hold.
"""
