"""Who is who: one profile for each person, by links that can be explained.

`resolve` reads staging.stg_identity__signals and writes schema identity (tables.py lists it);
rules.toml holds every number and list it goes by.
"""

from dagster_project.identity.matching import save_model, weights
from dagster_project.identity.resolve import IdentityReport, learn, resolve
from dagster_project.identity.rules import Rules, RulesError, load_rules

__all__ = [
    "IdentityReport",
    "Rules",
    "RulesError",
    "learn",
    "load_rules",
    "resolve",
    "save_model",
    "weights",
]
