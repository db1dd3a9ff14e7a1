-- Tryton 8: every sale that was confirmed and has something sold; one that is only brought back is
-- in returns. A draft or a quotation is no order yet.
-- A date without a clock is noon, which is the same day in every time zone of the world but three.
with lines as (
    select
        line.sale,
        bool_or(line.quantity > 0) as sells,
        sum(round(line.quantity::numeric * line.unit_price, currency.digits))
            filter (where line.shipment_cost is not null) as shipping_amount,
        max(coalesce(line.write_date, line.create_date)) as changed_at
    from sale_line as line
    inner join sale_sale as sale on sale.id = line.sale
    inner join currency_currency as currency on currency.id = sale.currency
    where line.type = 'line'
    group by line.sale
),

-- A shipment that was shipped or has arrived doesn't touch its sale.
shipments as (
    select
        line.sale,
        bool_and(shipment.state in ('shipped', 'done')) as has_left,
        bool_and(shipment.state = 'done') as has_arrived,
        max(shipment.effective_date) as arrived_on,
        max(coalesce(shipment.write_date, shipment.create_date)) as changed_at
    from stock_move as move
    inner join sale_line as line on move.origin = 'sale.line,' || line.id
    inner join stock_shipment_out as shipment on move.shipment = 'stock.shipment.out,' || shipment.id
    where shipment.state <> 'cancelled'
    group by line.sale
),

-- Merging two parties moves the sales of one to the other without touching them.
merges as (
    select
        party.replaced_by as party,
        max(coalesce(party.write_date, party.create_date)) as changed_at
    from party_party as party
    where party.replaced_by is not null
    group by party.replaced_by
),

dated as (
    select
        sale.*,
        case
            when sale.sale_date is null or sale.sale_date = sale.create_date::date
                then sale.create_date
            else sale.sale_date + interval '12 hours'
        end at time zone 'UTC' as ordered_at,
        case
            when sale.state = 'cancelled' then 'cancelled'
            when sale.state = 'done' and shipments.sale is null then 'delivered'
            when shipments.has_arrived and sale.shipment_state = 'sent' then 'delivered'
            when shipments.has_left then 'shipped'
            else 'confirmed'
        end as status,
        lines.shipping_amount,
        shipments.arrived_on,
        greatest(
            coalesce(sale.write_date, sale.create_date),
            lines.changed_at,
            shipments.changed_at,
            merges.changed_at
        ) at time zone 'UTC' as changed_at
    from sale_sale as sale
    inner join lines on lines.sale = sale.id and lines.sells
    left join shipments on shipments.sale = sale.id
    left join merges on merges.party = sale.party
    where sale.state in ('confirmed', 'processing', 'done', 'cancelled')
)

select
    dated.id as order_id,
    dated.party as customer_id,
    dated.ordered_at,
    -- an order with a number of somebody else's came through a web shop
    case when nullif(dated.reference, '') is null then 'phone' else 'web' end as channel,
    dated.status,
    currency.code as currency,
    greatest(coalesce(dated.total_amount_cache, 0), 0) as total_amount,
    null as discount_amount,
    dated.shipping_amount,
    null as promo_code,
    -- where the connector of a web shop keeps the shop's own number
    nullif(dated.reference, '') as web_order_id,
    (dated.shipping_date + interval '12 hours') at time zone 'UTC' as promised_at,
    case
        when dated.status = 'delivered'
            then (dated.arrived_on + interval '12 hours') at time zone 'UTC'
    end as delivered_at,
    dated.changed_at as updated_at,
    dated.changed_at as _changed_at
from dated
inner join currency_currency as currency on currency.id = dated.currency
