-- Odoo 17 and 18: what was sold; shipping is part of the order's own row, a down payment no goods.
-- Amounts are what is paid, with taxes, as an order's total and a receipt are: the price of one and
-- the discount are taken from that, because `price_unit` has taxes in it or hasn't, by the tax.
-- A line that takes goods back within a sale has a quantity below zero: its price is then.
-- requires sale_order
-- may lack sale_order_line: is_delivery boolean, is_downpayment boolean
with sold as (
    select
        line.order_id,
        line.id,
        line.product_uom_qty,
        line.price_unit::numeric as price_unit,
        line.discount::numeric as discount,
        line.price_total,
        abs(line.product_uom_qty) as quantity,
        coalesce(nullif(btrim(product.default_code), ''), product.id::text, 'unlisted') as code,
        currency.decimal_places,
        bool_or(line.product_uom_qty > 0) over (partition by line.order_id) as sells,
        greatest(
            coalesce(line.write_date, line.create_date),
            coalesce(sale.write_date, sale.create_date),
            coalesce(product.write_date, product.create_date)
        ) at time zone 'UTC' as changed_at
    from sale_order_line as line
    inner join sale_order as sale on sale.id = line.order_id
    inner join res_company as company on company.id = sale.company_id
    inner join res_currency as currency
        on currency.id = coalesce(sale.currency_id, company.currency_id)
    left join product_product as product on product.id = line.product_id
    where line.display_type is null
        and not coalesce(line.is_delivery, false)
        and not coalesce(line.is_downpayment, false)
        and sale.state in ('sale', 'done', 'cancel')
),

discounted as (
    select
        sold.*,
        case
            when sold.discount between 0 and 99.99 and sold.price_total > 0
                then round(
                    sold.price_total * sold.discount / (100 - sold.discount), sold.decimal_places
                )
            -- nothing is left from which to tell the taxes
            when sold.discount = 100
                then round(
                    greatest(sold.price_unit * sold.product_uom_qty, 0), sold.decimal_places
                )
            else 0
        end as discount_amount
    from sold
    where sold.sells
)

select
    discounted.order_id,
    -- not its place among the lines, which changes when another one goes
    discounted.id as line_no,
    discounted.code as product_id,
    discounted.quantity,
    round(
        (discounted.price_total + discounted.discount_amount) / nullif(discounted.quantity, 0), 4
    ) as unit_price,
    discounted.discount_amount,
    discounted.price_total as line_amount,
    discounted.changed_at as _changed_at
from discounted
