-- Tryton 8: complaints about sales.
select
    complaint.id as ticket_id,
    complaint.customer as customer_id,
    case
        when complaint.date is null or complaint.date = complaint.create_date::date
            then complaint.create_date
        else complaint.date + interval '12 hours'
    end at time zone 'UTC' as opened_at,
    case
        when complaint.state in ('done', 'rejected', 'cancelled')
            then coalesce(complaint.write_date, complaint.create_date)
    end at time zone 'UTC' as closed_at,
    type.name as category,
    complaint.state as status,
    coalesce(complaint.write_date, complaint.create_date) at time zone 'UTC' as _changed_at
from sale_complaint as complaint
left join sale_complaint_type as type on type.id = complaint.type
