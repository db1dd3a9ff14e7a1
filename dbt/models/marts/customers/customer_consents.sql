with profiles as (
    select profile_id from {{ source("identity", "profiles") }}
),

asked as (
    select
        channel,
        purpose
    from {{ ref("consent_categories") }}
    where is_asked_of_everyone
),

consents as (
    select * from {{ ref("int_consents") }}
),

unanswered as (
    select
        profiles.profile_id,
        asked.channel,
        asked.purpose,
        'unknown' as state,
        cast(null as {{ type_instant() }}) as decided_at,
        cast(null as {{ type_text() }}) as source
    from profiles
    cross join asked
    left join consents
        on
            profiles.profile_id = consents.profile_id
            and asked.channel = consents.channel
            and asked.purpose = consents.purpose
    where consents.profile_id is null
),

all_consents as (
    select
        profile_id,
        channel,
        purpose,
        state,
        decided_at,
        source
    from consents
    union all
    select * from unanswered
)

select * from all_consents
