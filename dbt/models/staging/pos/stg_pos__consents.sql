with source as (
    select
        *,
        coalesce(updated_at, enrolled_at) as said_at
    from {{ ref("stg_pos__member_versions") }}
    where not _is_deleted
),

{{ consent_words("source", "loyalty_id", "said_at") }},

renamed as (
    select
        loyalty_id,
        channel,
        is_granted,
        decided_at
    from words
    where word_rank = 1
)

select * from renamed
