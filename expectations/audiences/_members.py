"""What the mart says of the members of an audience, for the rules that promise it."""

from expectations.rules import Rule, query

PROFILES = "marts.customer_profiles"
LIFECYCLE = "marts.customer_lifecycle"
CHURN_FACTORS = "marts.churn_factors"


def members(name: str, otherwise: str, *, of: str) -> Rule:
    """No member for whom the mart `of` says `otherwise`, or says nothing at all."""
    return query(
        name,
        f"select 1 as unexpected from {{batch}} as judged left join {of} as known "
        f"using (profile_id) where known.profile_id is null or coalesce({otherwise}, true)",
    )


# A join gone wrong writes to a stranger; no address at all is no better.
OWN_ADDRESS = members("email is the member's own", "known.email <> judged.email", of=PROFILES)
