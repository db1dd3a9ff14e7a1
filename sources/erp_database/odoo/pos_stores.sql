-- Odoo 17 and 18: every point of sale, at the address of its warehouse, else of its company.
-- requires pos_config
with placed as (
    select
        config.*,
        coalesce(warehouse.partner_id, company.partner_id) as address_id,
        greatest(
            coalesce(config.write_date, config.create_date),
            coalesce(operation.write_date, operation.create_date),
            coalesce(warehouse.write_date, warehouse.create_date),
            coalesce(company.write_date, company.create_date)
        ) as touched_at,
        company.partner_id as company_partner_id
    from pos_config as config
    inner join res_company as company on company.id = config.company_id
    left join stock_picking_type as operation on operation.id = config.picking_type_id
    left join stock_warehouse as warehouse on warehouse.id = operation.warehouse_id
)

select
    placed.id as store_id,
    placed.name,
    nullif(btrim(address.city), '') as city,
    country.code as country,
    coalesce(address.tz, seat.tz) as timezone,
    -- both are zero until somebody looks them up
    nullif(address.partner_latitude, 0) as latitude,
    nullif(address.partner_longitude, 0) as longitude,
    greatest(
        placed.touched_at,
        coalesce(address.write_date, address.create_date),
        coalesce(seat.write_date, seat.create_date)
    ) at time zone 'UTC' as _changed_at
from placed
left join res_partner as address on address.id = placed.address_id
left join res_partner as seat on seat.id = placed.company_partner_id
left join res_country as country on country.id = address.country_id
