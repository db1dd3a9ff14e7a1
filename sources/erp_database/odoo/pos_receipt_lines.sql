-- Odoo 17 and 18: what the tills sold and took back, paid, posted or invoiced. Amounts have taxes.
-- A till also takes the money for a sale order: that is in orders, and isn't sold twice; what comes
-- back of it names the order. A rebate (a reward, a coupon, a discount on all) is a line whose
-- amount goes the other way than its quantity: it is taken off the others, as a till prints it.
-- An id names the table, as another one's may be the same number: `pos.order,7`.
-- requires pos_order
-- may lack pos_order: email text, mobile text
-- may lack res_partner: mobile text
-- may lack pos_order_line: sale_order_origin_id integer, full_product_name text
-- may lack loyalty_program: id integer, program_type text
-- may lack loyalty_card: id integer, program_id integer, partner_id integer, code text
-- may lack loyalty_card: active boolean, create_date timestamp, write_date timestamp
with cards as (
    select
        card.partner_id,
        (array_agg(card.code order by card.id) filter (where coalesce(card.active, true)))[1]
            as loyalty_id,
        max(coalesce(card.write_date, card.create_date)) as changed_at
    from loyalty_card as card
    inner join loyalty_program as program on program.id = card.program_id
    where program.program_type = 'loyalty'
    group by card.partner_id
),

sold as (
    select
        line.id,
        line.order_id,
        line.product_id,
        line.full_product_name,
        line.refunded_orderline_id,
        line.qty,
        line.price_unit::numeric as price_unit,
        line.discount::numeric as discount,
        session.config_id,
        currency.name as currency,
        currency.decimal_places,
        sign(line.qty) as direction,
        -- above zero for goods, below for what is taken off them, whichever way they go
        sign(line.qty) * round(line.price_subtotal_incl::numeric, currency.decimal_places)
            as amount,
        coalesce(line.write_date, line.create_date) as touched_at
    from pos_order_line as line
    inner join pos_order as receipt on receipt.id = line.order_id
    inner join pos_session as session on session.id = receipt.session_id
    inner join pos_config as config on config.id = session.config_id
    inner join res_company as company on company.id = config.company_id
    left join account_journal as journal on journal.id = config.journal_id
    inner join res_currency as currency
        on currency.id = coalesce(journal.currency_id, company.currency_id)
    where receipt.state in ('paid', 'done', 'invoiced')
        and line.qty <> 0
        and (line.sale_order_origin_id is null or line.refunded_orderline_id is not null)
),

summed as (
    select
        sold.*,
        sum(sold.amount) filter (where sold.amount > 0) over way as listed,
        coalesce(-sum(sold.amount) filter (where sold.amount < 0) over way, 0) as rebate,
        sum(greatest(sold.amount, 0)) over (way order by sold.id) as so_far,
        max(sold.touched_at) over way as changed_at
    from sold
    window way as (partition by sold.order_id, sold.direction)
),

-- A rebate is shared out to the last cent: each line takes what the sum up to it takes, less what
-- the sum before it took.
shared as (
    select
        summed.*,
        coalesce(
            round(least(rebate, listed) * so_far / listed, decimal_places)
            - round(least(rebate, listed) * (so_far - amount) / listed, decimal_places),
            0
        ) as share,
        case
            when discount between 0 and 99.99
                then round(amount * discount / (100 - discount), decimal_places)
            -- nothing is left from which to tell the taxes
            when discount = 100 then round(abs(price_unit * qty), decimal_places)
            else 0
        end as own_discount
    from summed
    where summed.amount >= 0
)

select
    'pos.order,' || receipt.id as receipt_id,
    shared.config_id as store_id,
    shared.config_id as register_id,
    receipt.date_order at time zone 'UTC' as sold_at,
    shared.id as line_no,
    coalesce(nullif(btrim(product.default_code), ''), product.id::text) as product_id,
    coalesce(
        nullif(btrim(shared.full_product_name), ''),
        template.name ->> 'en_US',
        (select min(translation.value) from jsonb_each_text(template.name) as translation)
    ) as product_name,
    category.complete_name as category,
    shared.qty as quantity,
    round((shared.amount + shared.own_discount) / abs(shared.qty), 4) as unit_price,
    shared.direction * (shared.own_discount + shared.share) as discount_amount,
    shared.direction * (shared.amount - shared.share) as line_amount,
    shared.currency,
    null as promo_code,
    cards.loyalty_id,
    coalesce(nullif(btrim(receipt.email), ''), nullif(btrim(partner.email), '')) as email,
    coalesce(
        nullif(btrim(receipt.mobile), ''),
        nullif(btrim(partner.mobile), ''),
        nullif(btrim(partner.phone), '')
    ) as phone,
    null as payment_card_hash,
    coalesce(undone.sale_order_origin_id::text, 'pos.order,' || undone.order_id)
        as original_receipt_id,
    greatest(
        shared.changed_at,
        coalesce(receipt.write_date, receipt.create_date),
        coalesce(product.write_date, product.create_date),
        coalesce(template.write_date, template.create_date),
        coalesce(category.write_date, category.create_date),
        -- a merge of partners touches the one that stays, and not the receipts it is given
        coalesce(partner.write_date, partner.create_date),
        cards.changed_at
    ) at time zone 'UTC' as _changed_at
from shared
inner join pos_order as receipt on receipt.id = shared.order_id
inner join product_product as product on product.id = shared.product_id
inner join product_template as template on template.id = product.product_tmpl_id
left join product_category as category on category.id = template.categ_id
left join res_partner as partner on partner.id = receipt.partner_id
left join cards on cards.partner_id = partner.id
left join pos_order_line as undone on undone.id = shared.refunded_orderline_id
