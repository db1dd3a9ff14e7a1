with words as (
    select * from {{ ref("int_consent_words") }}
),

-- Within one alias the newest word counts; of two at the same moment, the denial.
ranked as (
    select
        *,
        row_number() over (
            partition by profile_id, alias, channel, purpose
            order by decided_at desc, is_granted asc, source asc
        ) as word_rank
    from words
),

-- Over aliases one denial beats every grant; the newest such word dates the decision.
decided as (
    select
        *,
        row_number() over (
            partition by profile_id, channel, purpose
            order by is_granted asc, decided_at desc, source asc
        ) as decision_rank
    from ranked
    where word_rank = 1
),

consents as (
    select
        profile_id,
        channel,
        purpose,
        case when is_granted then 'granted' else 'denied' end as state,
        decided_at,
        source
    from decided
    where decision_rank = 1
)

select * from consents
