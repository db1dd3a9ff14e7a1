"""Who of an audience may be reached, decided in one place, with one reason for everybody left out.

The first reason that applies, in this order: erased; consent denied; consent unknown (not asked is
not granted); no address for the channel that the consent is for; held out to measure the effect.
"""

import duckdb

from dagster_project.publishing.audience import AudienceSpec
from dagster_project.publishing.published import CATALOG

# SQL for "has an address", over p = marts.customer_profiles, by the consent's channel.
_HAS_ADDRESS = {
    "email": "p.email is not null",
    "sms": "p.phone is not null",
    "whatsapp": "p.phone is not null",
    "viber": "p.phone is not null",
    "ads": "coalesce(p.email, p.phone) is not null",
    "push": f"""exists (
        select 1 from {CATALOG}.marts.customer_identifiers as i
        where i.profile_id = m.profile_id and i.identifier_type = 'device_id'
    )""",
}


def holdout_expression(profile_id: str = "profile_id") -> str:
    """SQL, with parameters $salt, $audience and $holdout: whether a profile is held out.

    A salted hash of the id: the same person is in or out in every build, and being held out of one
    audience says nothing of another. 15 hexadecimal digits are 60 bits, evenly spread.
    """
    key = f"concat_ws('|', $salt, $audience, {profile_id})"
    return f"('0x' || left(md5({key}), 15))::bigint / {float(16**15)!r} < $holdout"


def decide(
    connection: duckdb.DuckDBPyConnection, spec: AudienceSpec, *, holdout_salt: str
) -> dict[str, int]:
    """Write temp table decisions (profile_id, reason; null: eligible) and return counts by reason.

    Reads temp table members (profile_id, fingerprint) and temp table erased (profile_id).
    """
    connection.execute(
        f"""
        create or replace temp table decisions as
        with consents as (
            select
                profile_id,
                bool_or(state = 'denied') as is_denied,
                bool_or(state = 'granted') as is_granted
            from {CATALOG}.marts.customer_consents
            where channel = $consent_channel and purpose = $consent_purpose
            group by profile_id
        ),

        judged as (
            select
                m.profile_id,
                case
                    when e.profile_id is not null then 'erased'
                    when c.is_denied then 'consent_denied'
                    when c.is_granted is not true then 'consent_unknown'
                    when ({_HAS_ADDRESS[spec.consent_channel]}) is not true then 'no_address'
                    when {holdout_expression("m.profile_id")} then 'holdout'
                end as reason
            from members as m
            left join erased as e on m.profile_id = e.profile_id
            left join consents as c on m.profile_id = c.profile_id
            left join {CATALOG}.marts.customer_profiles as p on m.profile_id = p.profile_id
        )

        select * from judged
        """,
        {
            "salt": holdout_salt,
            "audience": spec.name,
            "holdout": spec.holdout,
            "consent_channel": spec.consent_channel,
            "consent_purpose": spec.consent_purpose,
        },
    )
    return dict(
        connection.execute(
            "select reason, count(*) from decisions where reason is not null group by all "
            "order by all"
        ).fetchall()
    )
