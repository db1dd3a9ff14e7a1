with events as (
    select * from {{ ref("int_events") }}
),

categories as (
    select * from {{ ref("consent_categories") }}
),

-- The account behind a browser, where only one was ever seen on it: what its owner said before
-- signing in is a word of that account.
accounts as (
    select
        anonymous_id,
        min(user_id) as user_id
    from events
    where anonymous_id is not null and user_id is not null
    group by anonymous_id
    having count(distinct user_id) = 1
),

preferences as (
    select
        events.event_id,
        events.profile_id,
        events.source,
        events.occurred_at,
        events.user_id,
        events.anonymous_id,
        events.email,
        categories.channel,
        categories.purpose,
        lower({{ json_text_by_key("events.preferences", "categories.category") }}) as word
    from events
    cross join categories
    where
        events.event_type = 'track'
        and events.event_name = 'Segment Consent Preference Updated'
        and events.preferences is not null
),

refusals as (
    select
        events.event_id,
        events.profile_id,
        events.source,
        events.occurred_at,
        events.user_id,
        events.anonymous_id,
        events.email,
        categories.channel,
        categories.purpose,
        case when consent_events.is_granted then 'true' else 'false' end as word
    from events
    inner join {{ ref("consent_events") }} as consent_events
        on events.event_name = consent_events.event_name
    inner join categories on consent_events.category = categories.category
    where events.event_type = 'track'
),

event_words as (
    select * from preferences
    where word in ('true', 'false')
    union all
    select * from refusals
),

account_words as (
    select
        event_words.profile_id,
        case
            when coalesce(event_words.user_id, accounts.user_id) is not null
                then concat('account:', coalesce(event_words.user_id, accounts.user_id))
            when event_words.anonymous_id is not null
                then concat('browser:', event_words.anonymous_id)
            when event_words.email is not null
                then concat('email:', lower(event_words.email))
            else concat('event:', event_words.event_id)
        end as alias,
        event_words.channel,
        event_words.purpose,
        event_words.word = 'true' as is_granted,
        event_words.occurred_at as decided_at,
        event_words.source
    from event_words
    left join accounts on event_words.anonymous_id = accounts.anonymous_id
),

-- Where a few people share an address or a browser, who refused by it without signing in may be any
-- of them. What comes from a crowd's (a shop's tablet, an office's address) is no word of theirs.
shared as (
    select distinct
        users.profile_id,
        users.identifier_type,
        written.raw_value
    from {{ source("identity", "identifiers") }} as users
    inner join {{ source("identity", "demoted") }} as demoted
        on
            users.identifier_type = demoted.identifier_type
            and users.identifier_value = demoted.identifier_value
    inner join {{ source("identity", "normalised") }} as written
        on
            users.identifier_type = written.identifier_type
            and users.identifier_value = written.identifier_value
    where demoted.person_count <= demoted.person_limit
),

shared_words as (
    {%- for type in ["email", "anonymous_id"] %}
        select
            shared.profile_id,
            concat('shared:', shared.raw_value) as alias,
            event_words.channel,
            event_words.purpose,
            false as is_granted,
            event_words.occurred_at as decided_at,
            event_words.source
        from event_words
        inner join shared
            on
                event_words.{{ type }} = shared.raw_value
                and shared.identifier_type = '{{ type }}'
        where event_words.word = 'false' and event_words.user_id is null
        {{ "union all" if not loop.last }}
    {%- endfor %}
),

card_words as (
    select
        resolved.profile_id,
        concat('card:', consents.loyalty_id) as alias,
        consents.channel,
        'marketing' as purpose,
        consents.is_granted,
        consents.decided_at,
        'pos' as source
    from {{ ref("stg_pos__consents") }} as consents
    inner join {{ ref("stg_pos__members") }} as members on consents.loyalty_id = members.loyalty_id
    inner join {{ source("identity", "resolved") }} as resolved
        on members.signal_id = resolved.signal_id
),

customer_words as (
    select
        resolved.profile_id,
        concat('customer:', consents.customer_id) as alias,
        consents.channel,
        'marketing' as purpose,
        consents.is_granted,
        consents.decided_at,
        'erp' as source
    from {{ ref("stg_erp__consents") }} as consents
    inner join {{ ref("stg_erp__customers") }} as customers
        on consents.customer_id = customers.customer_id
    inner join {{ source("identity", "resolved") }} as resolved
        on customers.signal_id = resolved.signal_id
),

words as (
    select * from account_words
    union all
    select * from shared_words
    union all
    select * from card_words
    union all
    select * from customer_words
)

select * from words
where profile_id is not null
