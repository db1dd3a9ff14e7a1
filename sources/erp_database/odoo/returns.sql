-- Odoo 17 and 18: the lines of credit notes to customers. Goods that came back to the stock without
-- one carry no money and aren't here; nor is what a till took back, which its receipt has.
-- What a credit note keeps (a fee, the wear) is a line below zero: it is taken off the others.
-- Neither shipping nor a down payment is a return of goods.
-- requires account_move
-- may lack account_move_line: is_downpayment boolean
-- may lack sale_order_line_invoice_rel: invoice_line_id integer, order_line_id integer
-- may lack sale_order_line: id integer, order_id integer, product_uom_qty numeric
-- may lack sale_order_line: is_delivery boolean, is_downpayment boolean
-- may lack sale_order_line: create_date timestamp, write_date timestamp
-- may lack pos_order: account_move integer
with origins as (
    select
        link.invoice_line_id,
        min(line.order_id) as order_id,
        bool_or(line.is_delivery) as is_shipping,
        bool_or(line.is_downpayment) as is_downpayment,
        bool_or(line.product_uom_qty < 0) as is_in_its_order,
        max(coalesce(line.write_date, line.create_date)) as changed_at
    from sale_order_line_invoice_rel as link
    inner join sale_order_line as line on line.id = link.order_line_id
    group by link.invoice_line_id
),

-- A credit note that names only the invoice: the order is told where the invoice has but one.
invoiced as (
    select
        line.move_id,
        case when count(distinct origins.order_id) = 1 then min(origins.order_id) end as order_id
    from account_move_line as line
    inner join origins on origins.invoice_line_id = line.id
    group by line.move_id
),

selling as (
    select line.order_id
    from sale_order_line as line
    where line.product_uom_qty > 0
    group by line.order_id
),

credited as (
    select
        line.id,
        line.move_id,
        line.product_id,
        line.quantity,
        line.price_total,
        coalesce(origins.order_id, invoiced.order_id) as sale_id,
        currency.name as currency,
        currency.decimal_places,
        move.ref as reason,
        case
            when move.invoice_date is null or move.invoice_date = move.create_date::date
                then move.create_date
            else move.invoice_date + interval '12 hours'
        end at time zone 'UTC' as returned_at,
        greatest(
            coalesce(line.write_date, line.create_date),
            coalesce(move.write_date, move.create_date),
            origins.changed_at
        ) as touched_at
    from account_move_line as line
    inner join account_move as move on move.id = line.move_id
    inner join res_currency as currency on currency.id = move.currency_id
    left join origins on origins.invoice_line_id = line.id
    left join invoiced on invoiced.move_id = move.reversed_entry_id
    left join selling on selling.order_id = origins.order_id
    where move.move_type = 'out_refund'
        and move.state = 'posted'
        and line.display_type = 'product'
        and not coalesce(line.is_downpayment, origins.is_downpayment, false)
        and not coalesce(origins.is_shipping, false)
        -- taken back within a sale that goes on: it is one of its lines
        and not (coalesce(origins.is_in_its_order, false) and selling.order_id is not null)
        and move.id not in (
            select receipt.account_move
            from pos_order as receipt
            where receipt.account_move is not null
        )
),

summed as (
    select
        credited.*,
        sum(credited.price_total) filter (where credited.price_total > 0) over note as given,
        coalesce(-sum(credited.price_total) filter (where credited.price_total < 0) over note, 0)
            as kept,
        sum(greatest(credited.price_total, 0)) over (note order by credited.id) as so_far,
        max(credited.touched_at) over note as changed_at
    from credited
    window note as (partition by credited.move_id)
),

-- What is kept is shared out to the last cent: each line takes what the sum up to it takes, less
-- what the sum before it took.
shared as (
    select
        summed.*,
        coalesce(
            round(least(kept, given) * so_far / given, decimal_places)
            - round(least(kept, given) * (so_far - price_total) / given, decimal_places),
            0
        ) as share
    from summed
    where summed.price_total >= 0
)

select
    shared.id as return_id,
    shared.sale_id as order_id,
    coalesce(nullif(btrim(product.default_code), ''), product.id::text) as product_id,
    abs(shared.quantity) as quantity,
    shared.price_total - shared.share as refund_amount,
    shared.currency,
    shared.returned_at,
    nullif(btrim(shared.reason), '') as reason,
    greatest(shared.changed_at, coalesce(product.write_date, product.create_date))
        at time zone 'UTC' as _changed_at
from shared
left join product_product as product on product.id = shared.product_id
