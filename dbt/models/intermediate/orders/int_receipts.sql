with lines as (
    select * from {{ ref("stg_pos__receipt_lines") }}
),

resolved as (
    select * from {{ source("identity", "resolved") }}
),

receipts as (
    select
        lines.receipt_id,
        min(lines.store_id) as store_id,
        min(lines.sold_at) as sold_at,
        min(lines.timezone) as timezone,
        min(lines.currency) as currency,
        max(resolved.profile_id) as profile_id,
        sum(case when lines.quantity > 0 then lines.line_amount end) as lines_amount,
        sum(case when lines.quantity > 0 then lines.discount_amount end) as discount_amount,
        sum({{ item_count("lines.quantity") }}) as item_count,
        min(case when lines.quantity > 0 then lines.promo_code end) as promo_code,
        count(case when lines.quantity > 0 then 1 end) as sold_line_count
    from lines
    left join resolved on lines.signal_id = resolved.signal_id
    group by lines.receipt_id
),

purchases as (
    select
        receipt_id as order_id,
        store_id,
        profile_id,
        sold_at as ordered_at,
        timezone,
        currency,
        lines_amount,
        discount_amount,
        cast(item_count as bigint) as item_count,
        promo_code
    from receipts
    where sold_line_count > 0
)

select * from purchases
