{#-
    Staging of one table of Segment events; one row an event. Web and app write the same form, so
    both models are this query. Identifiers are read from where the contract says they may stand.
-#}
{% macro staging_events(events, source) %}
{%- set property = {
    "order_id": "order_id", "product_id": "product_id", "sku": "sku", "category": "category",
    "quantity": "quantity", "price": "price", "currency": "currency", "coupon": "coupon",
    "total": "total", "subtotal": "subtotal", "revenue": "revenue", "discount": "discount",
    "shipping": "shipping", "products": "products", "email": "email",
    "campaign_id": "campaign_id",
} -%}
{%- set trait = {
    "email": "email", "phone": "phone", "loyalty_id": "loyalty_id",
    "given_name": "given_name", "first_name": "first_name", "firstName": "firstName",
    "family_name": "family_name", "last_name": "last_name", "lastName": "lastName",
    "birthday": "birthday", "city": "address.city", "postal_code": "address.postal_code",
    "postalCode": "address.postalCode", "country": "address.country",
} -%}
{%- set context = {
    "device_id": "device.id", "email": "traits.email", "phone": "traits.phone",
    "loyalty_id": "traits.loyalty_id", "preferences": "consent.categoryPreferences",
    "latitude": "location.latitude", "longitude": "location.longitude",
} -%}

with source as (
    select * from {{ events }}
),

-- Only keys take part in finding what was sent again, and only that is sorted: whole rows of JSON are
-- what costs.
repeated as (
    select messageid
    from {{ events }}
    group by messageid
    having count(*) > 1
),

copies as (
    select
        events.*,
        row_number() over (
            partition by events.messageid
            order by
                events._is_deleted desc,
                events.receivedat asc nulls last,
                events._landed_file asc,
                events._line asc,
                events._loaded_at asc
        ) as copy_number
    from {{ events }} as events
    inner join repeated on events.messageid = repeated.messageid
),

once as (
    select
        source.*,
        1 as copy_number
    from source
    left join repeated on source.messageid = repeated.messageid
    where repeated.messageid is null
    union all
    select * from copies
    where copy_number = 1
),

timed as (
    select
        once.*,
        coalesce(
            once.timestamp,
            once.originaltimestamp + (once.receivedat - once.sentat),
            once.originaltimestamp,
            once.receivedat
        ) as occurred_at
    from once
    where not once._is_deleted
),

parsed as (
    select
        messageid,
        type,
        event,
        name,
        anonymousid,
        userid,
        previousid,
        occurred_at,
        properties,
        {{ json_texts("properties", property.values() | list) }} as property,
        -- The traits of a group call describe a company, not a person.
        {{ json_texts("case when type <> 'group' then traits end", trait.values() | list) }} as trait,
        {{ json_texts("context", context.values() | list) }} as context_field
    from timed
    where occurred_at <= {{ as_of() }}
),

flat as (
    select
        *,
        {%- for field in property %}
        {{ text_at("property", loop.index0) }} as property_{{ field }},
        {%- endfor %}
        {%- for field in trait %}
        {{ text_at("trait", loop.index0) }} as trait_{{ field }},
        {%- endfor %}
        {%- for field in context %}
        {{ text_at("context_field", loop.index0) }} as context_{{ field }}{{ "," if not loop.last }}
        {%- endfor %}
    from parsed
),

renamed as (
    select
        -- keys
        messageid as event_id,
        '{{ source }}' as source,

        -- what happened
        type as event_type,
        case when type in ('page', 'screen') then {{ clean("coalesce(name, event)") }}
            else {{ clean("event") }}
        end as event_name,
        occurred_at,

        -- identifiers
        {{ clean("anonymousid") }} as anonymous_id,
        {{ clean("userid") }} as user_id,
        case when type = 'alias' then {{ clean("previousid") }} end as previous_id,
        context_device_id as device_id,
        coalesce(trait_email, context_email, property_email) as email,
        coalesce(trait_phone, context_phone) as phone,
        coalesce(trait_loyalty_id, context_loyalty_id) as loyalty_id,

        -- the person, as an account describes itself
        coalesce(trait_given_name, trait_first_name, trait_firstName) as given_name,
        coalesce(trait_family_name, trait_last_name, trait_lastName) as family_name,
        {{ try_cast("left(trait_birthday, 10)", "date") }} as birth_date,
        trait_city as city,
        coalesce(trait_postal_code, trait_postalCode) as postal_code,
        {{ country_code("trait_country") }} as country,

        -- commerce
        property_order_id as order_id,
        coalesce(property_product_id, property_sku) as product_id,
        property_category as category,
        {{ try_cast("property_quantity", "decimal(18, 4)") }} as quantity,
        {{ try_cast("property_price", "decimal(18, 4)") }} as price,
        upper(property_currency) as currency,
        {{ try_cast("property_total", "decimal(18, 4)") }} as total_amount,
        {{ try_cast("property_subtotal", "decimal(18, 4)") }} as subtotal_amount,
        {{ try_cast("property_revenue", "decimal(18, 4)") }} as revenue_amount,
        {{ try_cast("property_discount", "decimal(18, 4)") }} as discount_amount,
        {{ try_cast("property_shipping", "decimal(18, 4)") }} as shipping_amount,
        property_coupon as promo_code,

        -- messages
        property_campaign_id as campaign_id,

        -- where, no more exactly than a kilometre
        {{ known_degrees("context_latitude", "context_longitude", of="latitude") }} as latitude,
        {{ known_degrees("context_latitude", "context_longitude", of="longitude") }} as longitude,

        -- documents
        property_products as products,
        context_preferences as preferences,
        properties
    from flat
),

identified as (
    select
        *,
        {{ signal_id(
            "source", anonymous_id="anonymous_id", user_id="user_id", previous_id="previous_id",
            device_id="device_id", email="email", phone="phone", loyalty_id="loyalty_id"
        ) | indent(8) }} as signal_id
    from renamed
)

select * from identified
{% endmacro %}
