with purchases as (
    select * from {{ ref("int_purchases") }}
),

resolved as (
    select * from {{ source("identity", "resolved") }}
),

rates as (
    select * from {{ ref("int_currency_rates") }}
),

-- A returned line that names no receipt is taken off the receipt it is printed on, if that sells.
pos_returns as (
    select
        concat('pos:', lines.receipt_id, ':', coalesce(lines.original_receipt_id, ''))
            as return_id,
        'pos' as source,
        coalesce(lines.original_receipt_id, lines.receipt_id) as order_name,
        max(resolved.profile_id) as profile_id,
        min(lines.sold_at) as returned_at,
        -sum(lines.line_amount) as amount,
        min(lines.currency) as currency
    from {{ ref("stg_pos__receipt_lines") }} as lines
    left join resolved on lines.signal_id = resolved.signal_id
    where lines.quantity < 0
    group by lines.receipt_id, lines.original_receipt_id
),

erp_returns as (
    select
        concat('erp:', return_id) as return_id,
        'erp' as source,
        order_id as order_name,
        cast(null as {{ type_text() }}) as profile_id,
        returned_at,
        refund_amount as amount,
        currency
    from {{ ref("stg_erp__returns") }}
),

event_lines as (
    select
        event_id,
        sum(line_amount) as lines_amount,
        max(currency) as currency
    from {{ ref("int_order_event_lines") }}
    group by event_id
),

web_returns as (
    select
        concat('web:', events.event_id) as return_id,
        'web' as source,
        events.order_id as order_name,
        events.profile_id,
        events.occurred_at as returned_at,
        coalesce(
            events.total_amount - coalesce(events.shipping_amount, 0),
            event_lines.lines_amount,
            events.revenue_amount
        ) as amount,
        coalesce(events.currency, event_lines.currency) as currency
    from {{ ref("int_events") }} as events
    left join event_lines on events.event_id = event_lines.event_id
    where events.event_type = 'track' and events.event_name = 'Order Refunded'
),

all_returns as (
    select * from pos_returns
    union all
    select * from erp_returns
    union all
    select * from web_returns
),

-- By which name each system may call a purchase; a till also takes back what was ordered online.
names as (
    select
        'pos' as source,
        order_id as order_name,
        order_key,
        1 as preference
    from {{ ref("int_purchases") }}
    where source = 'pos'
    union all
    select
        'pos' as source,
        order_id as order_name,
        order_key,
        2 as preference
    from {{ ref("int_purchases") }}
    where source <> 'pos'
    union all
    select
        'pos' as source,
        web_order_id as order_name,
        order_key,
        3 as preference
    from {{ ref("int_purchases") }}
    where web_order_id is not null
    union all
    select
        'erp' as source,
        order_id as order_name,
        order_key,
        1 as preference
    from {{ ref("int_purchases") }}
    where source = 'erp'
    union all
    select
        'web' as source,
        web_order_id as order_name,
        order_key,
        1 as preference
    from {{ ref("int_purchases") }}
    where web_order_id is not null
),

named as (
    select
        all_returns.*,
        names.order_key,
        row_number() over (
            partition by all_returns.return_id
            order by names.preference, names.order_key
        ) as name_rank
    from all_returns
    left join names
        on all_returns.source = names.source and all_returns.order_name = names.order_name
),

-- An event that says no amount gives the whole order back.
valued as (
    select
        named.return_id,
        named.source,
        named.order_key,
        coalesce(purchases.profile_id, named.profile_id) as profile_id,
        named.returned_at,
        coalesce(named.amount, purchases.lines_amount) as amount,
        coalesce(named.currency, purchases.currency) as currency,
        purchases.currency as order_currency,
        -- Of several systems that report one order's return, the one nearest the money is believed.
        rank() over (
            partition by named.order_key
            order by case named.source when 'erp' then 1 when 'pos' then 2 else 3 end
        ) as source_rank
    from named
    left join purchases on named.order_key = purchases.order_key
    where named.name_rank = 1
),

converted as (
    select
        valued.return_id,
        valued.source,
        valued.order_key,
        valued.profile_id,
        valued.returned_at,
        valued.amount,
        valued.currency,
        case
            when valued.order_key is null or valued.source_rank > 1 then 0
            when valued.currency = valued.order_currency then valued.amount
            else
                valued.amount
                * cast(returned.reporting_rate / ordered.reporting_rate as decimal(18, 10))
        end as refund_amount
    from valued
    left join rates as returned
        on
            valued.currency = returned.currency
            and cast(valued.returned_at as date) >= returned.valid_from
            and cast(valued.returned_at as date) < returned.valid_to
    left join rates as ordered
        on
            valued.order_currency = ordered.currency
            and cast(valued.returned_at as date) >= ordered.valid_from
            and cast(valued.returned_at as date) < ordered.valid_to
),

returns as (
    select
        return_id,
        source,
        order_key,
        profile_id,
        returned_at,
        {{ money("amount") }} as amount,
        currency,
        {{ money("refund_amount") }} as refund_amount
    from converted
)

select * from returns
