with source as (
    select
        *,
        coalesce(updated_at, created_at) as said_at
    from {{ source("raw", "erp_customers") }}
    where not _is_deleted
),

{{ consent_words("source", "customer_id", "said_at") }},

renamed as (
    select
        {{ clean("customer_id") }} as customer_id,
        channel,
        is_granted,
        decided_at
    from words
    where word_rank = 1
)

select * from renamed
