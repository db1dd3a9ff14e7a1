-- Tryton 8: what was sold of products; shipping is a line as well, but part of the order's own row.
-- Tryton stores no amount of a line: it rounds half to even, to the rounding of the currency.
with amounts as (
    select
        line.*,
        sale.state,
        line.quantity::numeric * line.unit_price / currency.rounding as units,
        currency.rounding,
        greatest(
            coalesce(line.write_date, line.create_date),
            coalesce(sale.write_date, sale.create_date)
        ) at time zone 'UTC' as changed_at
    from sale_line as line
    inner join sale_sale as sale on sale.id = line.sale
    inner join currency_currency as currency on currency.id = sale.currency
    where line.type = 'line'
        and line.quantity > 0
        and line.shipment_cost is null
        and sale.state in ('confirmed', 'processing', 'done', 'cancelled')
)

select
    amounts.sale as order_id,
    -- not its place among the lines, which changes when another one goes
    amounts.id as line_no,
    coalesce(nullif(product.code, ''), product.id::text, 'unlisted') as product_id,
    amounts.quantity::numeric as quantity,
    amounts.unit_price,
    null as discount_amount,
    case
        when abs(amounts.units - trunc(amounts.units)) = 0.5
            then 2 * round(amounts.units / 2) * amounts.rounding
        else round(amounts.units) * amounts.rounding
    end as line_amount,
    amounts.changed_at as _changed_at
from amounts
left join product_product as product on product.id = amounts.product
