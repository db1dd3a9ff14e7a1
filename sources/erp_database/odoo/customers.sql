-- Odoo 17 and 18: everybody who may buy. Not the companies themselves, their warehouses, nor what
-- Odoo brings along; staff and suppliers only once they have bought.
-- A contact of type invoice, delivery or other is an address of its parent; a contact at a company
-- carries the company's VAT number, which is nobody's own.
-- Times have no zone and are UTC. A partner has one `name`: a person's first word is taken for the
-- given name.
-- may lack res_partner: mobile text, email_normalized text, phone_sanitized text
-- may lack res_partner: customer_rank integer, supplier_rank integer
-- may lack mail_blacklist: email text, active boolean, create_date timestamp, write_date timestamp
-- may lack phone_blacklist: number text, active boolean, create_date timestamp
-- may lack phone_blacklist: write_date timestamp
-- may lack loyalty_program: id integer, program_type text
-- may lack loyalty_card: id integer, program_id integer, partner_id integer, code text
-- may lack loyalty_card: active boolean, create_date timestamp, write_date timestamp
-- may lack stock_warehouse: partner_id integer
-- may lack sale_order: partner_id integer
-- may lack pos_order: partner_id integer
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

people as (
    select
        partner.id,
        partner.parent_id,
        btrim(partner.name) as name,
        split_part(btrim(partner.name), ' ', 1) as first_word,
        coalesce(partner.is_company, false) as is_firm,
        nullif(btrim(partner.email), '') as written_email,
        nullif(partner.email_normalized, '') as email,
        -- a text message reaches a mobile
        coalesce(nullif(btrim(partner.mobile), ''), nullif(btrim(partner.phone), '')) as phone,
        partner.phone_sanitized,
        nullif(nullif(btrim(partner.vat), ''), '/') as vat,
        concat_ws(', ', nullif(btrim(partner.street), ''), nullif(btrim(partner.street2), ''))
            as street,
        nullif(btrim(partner.city), '') as city,
        nullif(btrim(partner.zip), '') as zip,
        partner.country_id,
        coalesce(partner.active, true) as is_active,
        coalesce(partner.customer_rank, 0) > 0 as is_customer,
        coalesce(partner.supplier_rank, 0) > 0 as is_supplier,
        partner.create_date,
        coalesce(partner.write_date, partner.create_date) as touched_at
    from res_partner as partner
    where (partner.parent_id is null or coalesce(partner.type, 'contact') = 'contact')
        and partner.id not in (select company.partner_id from res_company as company)
        and partner.id not in (
            select warehouse.partner_id
            from stock_warehouse as warehouse
            where warehouse.partner_id is not null
        )
        and partner.id not in (
            select brought.res_id
            from ir_model_data as brought
            where brought.module = 'base' and brought.model = 'res.partner'
                and brought.res_id is not null
        )
),

buyers as (
    select partner_id from sale_order
    union
    select partner_id from pos_order
)

select
    person.id as customer_id,
    case when not person.is_firm then nullif(person.first_word, '') end as given_name,
    nullif(
        case
            when person.is_firm then person.name
            else btrim(substr(person.name, length(person.first_word) + 1))
        end,
        ''
    ) as family_name,
    null as birth_date,
    case when person.parent_id is null then person.vat end as tax_id,
    -- of a list of addresses, or one with a name before it, what Odoo writes to
    coalesce(person.email, person.written_email) as email,
    person.phone,
    nullif(person.street, '') as street_address,
    person.city,
    person.zip as postal_code,
    country.code as country,
    cards.loyalty_id,
    null as web_user_id,
    person.create_date at time zone 'UTC' as created_at,
    changed.changed_at at time zone 'UTC' as updated_at,
    person.is_active,
    -- who isn't on the list hasn't said yes
    case when refused.active then false end as email_marketing,
    case when unreachable.active then false end as sms_marketing,
    null as whatsapp_marketing,
    null as viber_marketing,
    changed.changed_at at time zone 'UTC' as _changed_at
from people as person
left join res_country as country on country.id = person.country_id
left join cards on cards.partner_id = person.id
left join mail_blacklist as refused
    on refused.email = coalesce(person.email, lower(person.written_email))
left join phone_blacklist as unreachable on unreachable.number = person.phone_sanitized
cross join lateral (
    select greatest(
        person.touched_at,
        cards.changed_at,
        coalesce(refused.write_date, refused.create_date),
        coalesce(unreachable.write_date, unreachable.create_date)
    ) as changed_at
) as changed
where person.is_customer
    or person.id in (select buyer.partner_id from buyers as buyer)
    or (
        not person.is_supplier
        and person.id not in (
            select staff.partner_id from res_users as staff where not coalesce(staff.share, false)
        )
    )
