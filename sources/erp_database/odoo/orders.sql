-- Odoo 17 and 18: every sale that was confirmed and sells something; a quotation is no order yet,
-- and a receipt of a till is in pos_receipt_lines. Amounts are what is paid, with taxes.
-- Odoo doesn't know when goods arrive: an order counts as delivered when all of it has left for the
-- customer, as shipped when a part has. Without deliveries (services, no stock kept) the quantities
-- on its lines tell, or the lock that says it is done.
-- requires sale_order
-- may lack sale_order: website_id integer, locked boolean
-- may lack sale_order_line: is_delivery boolean, is_downpayment boolean
-- may lack stock_picking: sale_id integer, state text
-- may lack stock_picking: location_id integer, location_dest_id integer
-- may lack stock_picking: date_done timestamp, create_date timestamp, write_date timestamp
-- may lack stock_location: id integer, usage text
-- may lack loyalty_rule_sale_order_rel: sale_order_id integer, loyalty_rule_id integer
-- may lack loyalty_rule: id integer, code text, create_date timestamp, write_date timestamp
with lines as (
    select
        line.order_id,
        bool_or(line.product_uom_qty > 0 and not coalesce(line.is_delivery, false)) as sells,
        bool_or(template.type in ('consu', 'product')) as has_goods,
        bool_and(line.qty_delivered >= line.product_uom_qty)
            filter (where template.type in ('consu', 'product')) as is_handed_over,
        bool_or(line.qty_delivered > 0 and template.type in ('consu', 'product')) as is_begun,
        sum(line.price_total) filter (where line.is_delivery) as shipping_amount,
        max(coalesce(line.write_date, line.create_date)) as changed_at
    from sale_order_line as line
    left join product_product as product on product.id = line.product_id
    left join product_template as template on template.id = product.product_tmpl_id
    where line.display_type is null and not coalesce(line.is_downpayment, false)
    group by line.order_id
),

-- A pick or a pack doesn't leave the house; what comes from a customer comes back.
deliveries as (
    select
        picking.sale_id as order_id,
        bool_or(picking.state = 'done' and target.usage = 'customer') as has_left,
        bool_or(picking.state not in ('done', 'cancel')) as is_pending,
        max(picking.date_done) filter (where picking.state = 'done' and target.usage = 'customer')
            as left_at,
        max(coalesce(picking.write_date, picking.create_date)) as changed_at
    from stock_picking as picking
    inner join stock_location as source on source.id = picking.location_id
    inner join stock_location as target on target.id = picking.location_dest_id
    where source.usage <> 'customer'
    group by picking.sale_id
),

codes as (
    select
        link.sale_order_id as order_id,
        min(rule.code) as promo_code,
        max(coalesce(rule.write_date, rule.create_date)) as changed_at
    from loyalty_rule_sale_order_rel as link
    inner join loyalty_rule as rule on rule.id = link.loyalty_rule_id
    group by link.sale_order_id
),

placed as (
    select
        sale.id,
        sale.date_order,
        -- where the connector of a web shop keeps the shop's number; Odoo's own shop says its name
        coalesce(
            nullif(btrim(sale.client_order_ref), ''),
            nullif(btrim(sale.origin), ''),
            case when sale.website_id is not null then sale.name end
        ) as web_order_id,
        sale.amount_total,
        sale.commitment_date,
        coalesce(sale.currency_id, company.currency_id) as currency_id,
        case
            when partner.parent_id is not null and coalesce(partner.type, 'contact') <> 'contact'
                then partner.parent_id
            else partner.id
        end as customer_id,
        case
            when sale.state = 'cancel' then 'cancelled'
            when deliveries.has_left and not deliveries.is_pending then 'delivered'
            when deliveries.has_left then 'shipped'
            when deliveries.is_pending then 'confirmed'
            when deliveries.order_id is null and (sale.locked or sale.state = 'done')
                then 'delivered'
            when not lines.has_goods or lines.is_handed_over then 'delivered'
            when lines.is_begun then 'shipped'
            else 'confirmed'
        end as status,
        lines.shipping_amount,
        deliveries.left_at,
        codes.promo_code,
        -- Merging two partners moves the sales of one to the other without touching them.
        greatest(
            coalesce(sale.write_date, sale.create_date),
            lines.changed_at,
            deliveries.changed_at,
            codes.changed_at,
            coalesce(partner.write_date, partner.create_date),
            coalesce(parent.write_date, parent.create_date)
        ) at time zone 'UTC' as changed_at
    from sale_order as sale
    inner join lines on lines.order_id = sale.id and lines.sells
    inner join res_company as company on company.id = sale.company_id
    inner join res_partner as partner on partner.id = sale.partner_id
    left join res_partner as parent on parent.id = partner.parent_id
    left join deliveries on deliveries.order_id = sale.id
    left join codes on codes.order_id = sale.id
    where sale.state in ('sale', 'done', 'cancel')
)

select
    placed.id as order_id,
    placed.customer_id,
    placed.date_order at time zone 'UTC' as ordered_at,
    -- what came from no shop was taken down by somebody in the house
    case when placed.web_order_id is not null then 'web' else 'phone' end as channel,
    placed.status,
    currency.name as currency,
    greatest(placed.amount_total, 0) as total_amount,
    -- it is on the lines
    null as discount_amount,
    greatest(placed.shipping_amount, 0) as shipping_amount,
    placed.promo_code,
    placed.web_order_id,
    placed.commitment_date at time zone 'UTC' as promised_at,
    case when placed.status = 'delivered' then placed.left_at at time zone 'UTC' end
        as delivered_at,
    placed.changed_at as updated_at,
    placed.changed_at as _changed_at
from placed
inner join res_currency as currency on currency.id = placed.currency_id
