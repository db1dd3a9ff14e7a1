"""Plans that look like an accident: they send nothing until somebody approves them.

A mapping change, an empty source or a truncated file has emptied audiences elsewhere before anybody
looked. Erased people don't count: their removal is never an accident.
"""

from dagster_project.publishing.difference import PlanCounts


def breaches(counts: PlanCounts, *, maximum_removal_share: float) -> list[str]:
    """Say in words what is suspicious about a plan; empty when nothing is."""
    found = []
    if counts.null_id_count:
        found.append(f"{counts.null_id_count} rows of the audience have no profile_id")
    if counts.doubled_id_count:
        found.append(f"{counts.doubled_id_count} rows of the audience repeat a profile_id")
    held = counts.held_count - counts.erased_removals
    removals = counts.removals - counts.erased_removals
    if held > 0 and counts.eligible_count == 0:
        found.append(f"nobody is left to reach, and the channel holds {held}")
    elif removals > maximum_removal_share * held:
        found.append(
            f"it would remove {removals} of the {held} that the channel holds "
            f"({removals / held:.1%}; the bound is {maximum_removal_share:.1%})"
        )
    return found
