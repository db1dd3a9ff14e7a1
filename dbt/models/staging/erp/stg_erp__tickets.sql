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
        case
            when closed_at is not null then closed_at > {{ as_of() }}
            else
                coalesce(lower({{ clean("status") }}), '') not in (
                    '{{ var("closed_ticket_statuses") | join("', '") }}'
                )
        end as is_open
    from versions
    where version_rank = 1 and not _is_deleted and opened_at <= {{ as_of() }}
),

identified as (
    select
        *,
        {{ signal_id("'erp'", erp_customer_id="customer_id") | indent(8) }} as signal_id
    from renamed
)

select * from identified
