with purchases as (
    select
        *,
        coalesce(timezone, {{ business_timezone() }}) as local_timezone
    from {{ ref("int_purchases") }}
),

-- Order numbers of two systems may coincide; then both carry their system's name.
coinciding as (
    select order_id
    from {{ ref("int_purchases") }}
    group by order_id
    having count(*) > 1
),

refunds as (
    select
        order_key,
        sum(case when source = 'web' then 0 else refund_amount end) as refund_amount,
        sum(case when source = 'web' then refund_amount else 0 end) as web_refund_amount
    from {{ ref("int_returns") }}
    where order_key is not null
    group by order_key
),

-- One conversion an hour and zone: a zone that differs from row to row is ten times as slow.
instant_hours as (
    select distinct
        coalesce(timezone, {{ business_timezone() }}) as local_timezone,
        date_trunc('hour', ordered_at) as instant_hour
    from {{ ref("int_purchases") }}
),

hours as (
    select
        local_timezone,
        instant_hour,
        {{ local_time("instant_hour", "local_timezone") }} as local_hour
    from instant_hours
),

-- What an Order Refunded event gives back may include the shipping, which no amount here does.
refunded as (
    select
        purchases.*,
        case
            when coinciding.order_id is null then purchases.order_id
            else purchases.order_key
        end as public_order_id,
        coalesce(
            refunds.refund_amount + least(refunds.web_refund_amount, purchases.lines_amount), 0
        ) as refunded_amount,
        cast(
            hours.local_hour + (purchases.ordered_at - hours.instant_hour) as date
        ) as purchased_on,
        hour(hours.local_hour + (purchases.ordered_at - hours.instant_hour)) as purchased_hour
    from purchases
    left join coinciding on purchases.order_id = coinciding.order_id
    left join refunds on purchases.order_key = refunds.order_key
    left join hours
        on
            purchases.local_timezone = hours.local_timezone
            and date_trunc('hour', purchases.ordered_at) = hours.instant_hour
),

converted as (
    select
        refunded.public_order_id as order_id,
        refunded.order_key,
        refunded.profile_id,
        refunded.source,
        refunded.channel,
        refunded.store_id,
        refunded.ordered_at,
        refunded.purchased_on,
        cast(refunded.purchased_hour as integer) as purchased_hour,
        refunded.channel in ('web', 'app') as is_online,
        refunded.is_under_way,
        {{ money("refunded.lines_amount + refunded.discount_amount") }} as gross_amount,
        {{ money("refunded.discount_amount") }} as discount_amount,
        {{ money("refunded.refunded_amount") }} as refunded_amount,
        {{ money("refunded.lines_amount - refunded.refunded_amount") }} as net_amount,
        refunded.currency,
        rates.reporting_rate,
        {{ money(
            money("refunded.lines_amount - refunded.refunded_amount") ~ " * rates.reporting_rate"
        ) }} as reporting_amount,
        refunded.item_count,
        refunded.promo_code
    from refunded
    left join {{ ref("int_currency_rates") }} as rates
        on
            refunded.currency = rates.currency
            and refunded.purchased_on >= rates.valid_from
            and refunded.purchased_on < rates.valid_to
)

select * from converted
