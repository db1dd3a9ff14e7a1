-- Tryton 8: lines with a quantity below zero; the sale they undo is told by the origin of theirs,
-- which may be a complaint about it.
with amounts as (
    select
        line.*,
        line.quantity::numeric * line.unit_price / currency.rounding as units,
        currency.rounding,
        currency.code as currency,
        case
            when sale.sale_date is null or sale.sale_date = sale.create_date::date
                then sale.create_date
            else sale.sale_date + interval '12 hours'
        end at time zone 'UTC' as returned_at,
        case
            when sale.origin like 'sale.sale,%' then sale.origin
            when complaint.origin like 'sale.sale,%' then complaint.origin
            when complaint.origin like 'sale.line,%' then 'sale.sale,' || complained.sale
        end as undone,
        complaint_type.name as reason,
        greatest(
            coalesce(line.write_date, line.create_date),
            coalesce(sale.write_date, sale.create_date),
            coalesce(complaint.write_date, complaint.create_date)
        ) at time zone 'UTC' as changed_at
    from sale_line as line
    inner join sale_sale as sale on sale.id = line.sale
    inner join currency_currency as currency on currency.id = sale.currency
    left join sale_complaint as complaint on sale.origin = 'sale.complaint,' || complaint.id
    left join sale_line as complained on complaint.origin = 'sale.line,' || complained.id
    left join sale_complaint_type as complaint_type on complaint_type.id = complaint.type
    where line.type = 'line'
        and line.quantity < 0
        and line.shipment_cost is null
        and sale.state in ('confirmed', 'processing', 'done')
)

select
    amounts.id as return_id,
    split_part(amounts.undone, ',', 2) as order_id,
    coalesce(nullif(product.code, ''), product.id::text) as product_id,
    -amounts.quantity::numeric as quantity,
    case
        when abs(amounts.units - trunc(amounts.units)) = 0.5
            then -2 * round(amounts.units / 2) * amounts.rounding
        else -round(amounts.units) * amounts.rounding
    end as refund_amount,
    amounts.currency,
    amounts.returned_at,
    amounts.reason,
    amounts.changed_at as _changed_at
from amounts
left join product_product as product on product.id = amounts.product
