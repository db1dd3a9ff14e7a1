-- Odoo 17 and 18: tickets of Helpdesk, which the Community edition hasn't; its add-on of the same
-- table name keeps stages and closing under other names, and has categories for types.
-- A ticket is closed in a folded stage, and when it is archived.
-- requires helpdesk_ticket
-- may lack helpdesk_ticket: ticket_type_id integer, category_id integer
-- may lack helpdesk_ticket: close_date timestamp, closed_date timestamp
-- may lack helpdesk_stage: id integer, name jsonb, fold boolean
-- may lack helpdesk_stage: create_date timestamp, write_date timestamp
-- may lack helpdesk_ticket_stage: id integer, name jsonb, closed boolean
-- may lack helpdesk_ticket_stage: create_date timestamp, write_date timestamp
-- may lack helpdesk_ticket_type: id integer, name jsonb
-- may lack helpdesk_ticket_type: create_date timestamp, write_date timestamp
-- may lack helpdesk_ticket_category: id integer, name jsonb
-- may lack helpdesk_ticket_category: create_date timestamp, write_date timestamp
select
    ticket.id as ticket_id,
    case
        when partner.parent_id is not null and coalesce(partner.type, 'contact') <> 'contact'
            then partner.parent_id
        else partner.id
    end as customer_id,
    ticket.create_date at time zone 'UTC' as opened_at,
    coalesce(
        ticket.close_date,
        ticket.closed_date,
        case
            when stage.fold or stage_of_addon.closed or not ticket.active
                then coalesce(ticket.write_date, ticket.create_date)
        end
    ) at time zone 'UTC' as closed_at,
    coalesce(
        names.subject ->> 'en_US',
        (select min(translation.value) from jsonb_each_text(names.subject) as translation)
    ) as category,
    coalesce(
        names.stage ->> 'en_US',
        (select min(translation.value) from jsonb_each_text(names.stage) as translation)
    ) as status,
    greatest(
        coalesce(ticket.write_date, ticket.create_date),
        coalesce(stage.write_date, stage.create_date),
        coalesce(stage_of_addon.write_date, stage_of_addon.create_date),
        coalesce(type.write_date, type.create_date),
        coalesce(category.write_date, category.create_date),
        coalesce(partner.write_date, partner.create_date),
        coalesce(parent.write_date, parent.create_date)
    ) at time zone 'UTC' as _changed_at
from helpdesk_ticket as ticket
left join helpdesk_stage as stage on stage.id = ticket.stage_id
left join helpdesk_ticket_stage as stage_of_addon on stage_of_addon.id = ticket.stage_id
left join helpdesk_ticket_type as type on type.id = ticket.ticket_type_id
left join helpdesk_ticket_category as category on category.id = ticket.category_id
left join res_partner as partner on partner.id = ticket.partner_id
left join res_partner as parent on parent.id = partner.parent_id
cross join lateral (
    select
        coalesce(type.name, category.name) as subject,
        coalesce(stage.name, stage_of_addon.name) as stage
) as names
