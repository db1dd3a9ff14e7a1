-- Tryton 8: every party but the companies themselves and the carriers.
-- A party has one `name`: its first word is taken for the given name.
-- Times have no zone and are UTC; a contact, an address or a tax number doesn't touch its party.
with contacts as (
    select
        party,
        (array_agg(value order by sequence nulls first, id) filter (where type = 'email' and active)
        )[1] as email,
        -- a text message reaches a mobile
        (array_agg(
            coalesce(value_compact, value) order by type = 'mobile' desc, sequence nulls first, id
        ) filter (where type in ('mobile', 'phone') and active))[1] as phone,
        max(coalesce(write_date, create_date)) as changed_at
    from party_contact_mechanism
    group by party
),

ranked_addresses as (
    select
        party_address.*,
        row_number() over (partition by party order by active desc, sequence nulls first, id)
            as place,
        max(coalesce(write_date, create_date)) over (partition by party) as changed_at
    from party_address
),

tax_numbers as (
    select
        party,
        (array_agg(code order by sequence nulls first, id) filter (where active))[1] as tax_id,
        max(coalesce(write_date, create_date)) as changed_at
    from party_identifier
    group by party
)

select
    party.id as customer_id,
    nullif(split_part(btrim(party.name), ' ', 1), '') as given_name,
    nullif(btrim(substr(btrim(party.name), length(split_part(btrim(party.name), ' ', 1)) + 1)), '')
        as family_name,
    null as birth_date,
    tax_numbers.tax_id,
    contacts.email,
    contacts.phone,
    coalesce(
        nullif(btrim(address.street_unstructured), ''),
        nullif(concat_ws(' ', address.street_name, address.building_number), '')
    ) as street_address,
    address.city,
    address.postal_code,
    country.code as country,
    null as loyalty_id,
    null as web_user_id,
    party.create_date at time zone 'UTC' as created_at,
    changed.changed_at at time zone 'UTC' as updated_at,
    party.active as is_active,
    null as email_marketing,
    null as sms_marketing,
    null as whatsapp_marketing,
    null as viber_marketing,
    changed.changed_at at time zone 'UTC' as _changed_at
from party_party as party
left join contacts on contacts.party = party.id
left join ranked_addresses as address on address.party = party.id and address.place = 1
left join country_country as country on country.id = address.country
left join tax_numbers on tax_numbers.party = party.id
cross join lateral (
    select greatest(
        coalesce(party.write_date, party.create_date),
        contacts.changed_at,
        address.changed_at,
        tax_numbers.changed_at
    ) as changed_at
) as changed
where party.id not in (select company.party from company_company as company)
    and party.id not in (select carrier.party from carrier)
