"""Who buys less often than before, told from chance.

Somebody's days between purchases are taken as draws from a gamma distribution whose mean and
regularity are the person's own. If nothing changed, the mean of the last few gaps (the open one
among them) over the mean of the earlier ones follows an F distribution (both are gamma: Johnson,
Kotz and Balakrishnan, Continuous Univariate Distributions 1, chapter 17). The last purchases are
looked at for each number of them, as nobody knows after which a change began, and the clearest
evidence counts; `chance` is how seldom an unchanged habit gives as much, and 1
where the last gaps are neither longer nor shorter.
"""

from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
from scipy.special import betainc

from dagster_project.database import read
from dagster_project.prediction.likelihood import Array
from dagster_project.prediction.rules import Rules

# The variation of somebody's gaps is drawn towards everybody's as if by so many gaps of it.
_PRIOR_GAPS = 6
# Gaps from which the variation of a single customer tells something of everybody's.
_TELLING_GAPS = 8
# The steadiest habit: nobody's gaps vary by less of their mean.
_LEAST_VARIATION = 0.1


@dataclass(frozen=True)
class Rhythms:
    """One row a customer and number of last purchases, `later`; the earlier gaps before them.

    `elapsed`: days from the purchase before the last `later` ones to now; `silence`: days since the
    very last one.
    """

    person: Array
    later: Array
    elapsed: Array
    silence: Array
    gaps: Array
    total: Array
    squares: Array

    @property
    def usual(self) -> Array:
        """Mean of the earlier gaps, in days."""
        return np.asarray(self.total / self.gaps)

    @property
    def recent(self) -> Array:
        """Mean of the later gaps, the open one included where that makes it longer."""
        closed = np.divide(
            self.elapsed - self.silence,
            self.later,
            out=np.zeros(len(self.later)),
            where=self.later > 0,
        )
        return np.asarray(np.maximum(closed, self.elapsed / (self.later + 1)))

    def variation(self) -> Array:
        """Squared coefficient of variation of the earlier gaps, drawn towards everybody's."""
        spread = np.maximum(self.squares / self.gaps - self.usual**2, 0) / self.usual**2
        telling = spread[(self.later == 0) & (self.gaps >= _TELLING_GAPS)]
        typical = float(np.median(telling)) if len(telling) else 1.0
        drawn = (spread * self.gaps + typical * _PRIOR_GAPS) / (self.gaps - 1 + _PRIOR_GAPS)
        return np.asarray(np.maximum(drawn, _LEAST_VARIATION**2))


def slowdowns(connection: duckdb.DuckDBPyConnection, today: int, rules: Rules) -> pa.Table:
    """Table slowdowns: one row a customer of whom enough gaps are known; needs _prediction_days."""
    found = read(
        connection,
        f"""
        with known as (
            select profile_id, day, count(gap) over so_far as gaps, sum(gap) over so_far as total,
                sum(gap * gap) over so_far as squares,
                max(day) over (partition by profile_id) as last_on,
                row_number() over (partition by profile_id order by day desc) - 1 as later
            from _prediction_days
            where day > {today - rules.habit_days}
            window so_far as (partition by profile_id order by day)
        )
        select profile_id, later, greatest({today} - day, 0) as elapsed,
            greatest({today} - last_on, 0) as silence, gaps, total, squares, day
        from known
        where later <= {rules.habit_changes} and gaps >= {rules.habit_gaps}
        order by profile_id, later
        """,
    )
    people = found["profile_id"].combine_chunks().dictionary_encode()
    rhythms = Rhythms(
        *(
            np.asarray(column, dtype=np.float64)
            for column in (
                people.indices.to_numpy(),
                *(
                    found[name].to_numpy()
                    for name in ("later", "elapsed", "silence", "gaps", "total", "squares")
                ),
            )
        )
    )
    chosen, chance = clearest(rhythms)
    usual, recent = rhythms.usual[chosen], rhythms.recent[chosen]
    return pa.table(
        {
            "profile_id": found["profile_id"].take(pa.array(chosen)),
            "since": pa.array(found["day"].to_numpy()[chosen], pa.int32()).cast(pa.date32()),
            "recent_purchase_days": pa.array(rhythms.later[chosen].astype(np.int64)),
            "usual_days": pa.array(usual),
            "recent_days": pa.array(recent),
            "frequency_change": pa.array(usual / np.maximum(recent, 0.5) - 1),
            "chance": pa.array(chance),
        }
    )


def clearest(rhythms: Rhythms) -> tuple[np.ndarray, Array]:
    """The rows with the clearest evidence of a change, one a customer, and its chance."""
    shape = 1 / rhythms.variation()
    longer = rhythms.elapsed / (rhythms.later + 1) / rhythms.usual
    closed = np.maximum(rhythms.later, 1)
    shorter = (rhythms.elapsed - rhythms.silence) / closed / rhythms.usual
    chance = np.ones(len(shape))
    # A ratio on the other side of 1 is evidence of nothing: most rows, and most of the time.
    slow, fast = longer > 1, (shorter < 1) & (rhythms.later > 0)
    gaps = 2 * shape * rhythms.gaps
    chance[slow] = _beyond(longer[slow], (2 * shape * (rhythms.later + 1))[slow], gaps[slow])
    faster = 1 - _beyond(shorter[fast], (2 * shape * closed)[fast], gaps[fast])
    chance[fast] = np.minimum(chance[fast], faster)
    order = np.lexsort((rhythms.later, chance, rhythms.person))
    first = np.diff(rhythms.person[order], prepend=-1) > 0
    return order[first], chance[order[first]]


def _beyond(ratio: Array, above: Array, below: Array) -> Array:
    """How seldom an F-distributed ratio with these degrees of freedom is as large."""
    return np.asarray(betainc(below / 2, above / 2, below / (below + above * ratio)))
