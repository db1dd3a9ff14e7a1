with source as (
    select * from {{ source("raw", "erp_tickets") }}
),

versions as (
    select
        *,
        row_number() over (
            partition by ticket_id
            order by {{ newest_first() | indent(12) }}
        ) as version_rank
    from source
),

renamed as (
    select
        {{ clean("ticket_id") }} as ticket_id,
        {{ clean("customer_id") }} as customer_id,
        {{ clean("category") }} as category,
        lower({{ clean("status") }}) as status,
        opened_at,
        {{ known("closed_at") }} as closed_at,
        coalesce(closed_at > {{ as_of() }}, false) as is_closed_later
    from versions
    where version_rank = 1 and not _is_deleted and opened_at <= {{ as_of() }}
),

identified as (
    select
        ticket_id,
        customer_id,
        category,
        status,
        opened_at,
        closed_at,
        case
            when closed_at is not null then false
            when is_closed_later then true
            else coalesce(status, '') not in ({{ quoted(var("closed_ticket_statuses")) }})
        end as is_open,
        {{ signal_id("'erp'", erp_customer_id="customer_id") | indent(8) }} as signal_id
    from renamed
)

select * from identified
