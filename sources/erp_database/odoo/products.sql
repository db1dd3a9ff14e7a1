-- Odoo 17 and 18: every variant, by its internal reference; several with the same one are one
-- product, of which the one in use tells the rest. An archived product was once sold and stays.
-- A name is kept in all its languages, a category's with those above it.
with variants as (
    select
        product.id,
        product.active,
        btrim(product.default_code) as reference,
        coalesce(nullif(btrim(product.default_code), ''), product.id::text) as code,
        greatest(
            coalesce(product.write_date, product.create_date),
            coalesce(template.write_date, template.create_date),
            coalesce(category.write_date, category.create_date)
        ) as touched_at,
        coalesce(
            template.name ->> 'en_US',
            (select min(translation.value) from jsonb_each_text(template.name) as translation)
        ) as name,
        template.list_price,
        coalesce(template.company_id, main.id) as owner_id,
        category.complete_name as category
    from product_product as product
    inner join product_template as template on template.id = product.product_tmpl_id
    left join product_category as category on category.id = template.categ_id
    -- what belongs to no company has its price in the currency of the first one
    cross join (select min(company.id) as id from res_company as company) as main
),

extras as (
    select
        combination.product_product_id as product_id,
        sum(attribute.price_extra) as price_extra,
        max(coalesce(attribute.write_date, attribute.create_date)) as changed_at
    from product_variant_combination as combination
    inner join product_template_attribute_value as attribute
        on attribute.id = combination.product_template_attribute_value_id
    group by combination.product_product_id
),

ranked as (
    select
        variants.*,
        variants.list_price + coalesce(extras.price_extra, 0) as price,
        row_number() over (
            partition by variants.code
            order by
                variants.active desc nulls last,
                variants.reference = variants.code desc nulls last,
                variants.id
        ) as place,
        max(greatest(variants.touched_at, extras.changed_at)) over (partition by variants.code)
            as changed_at
    from variants
    left join extras on extras.product_id = variants.id
)

select
    ranked.code as product_id,
    ranked.name,
    ranked.category,
    null as brand,
    -- what stands for a rebate may have a price below zero, which isn't one
    case when ranked.price >= 0 then ranked.price end as list_price,
    currency.name as currency,
    ranked.changed_at at time zone 'UTC' as updated_at,
    -- all are read each time: a variant that gives up its number leaves no trace at those that keep
    -- it
    null::timestamptz as _changed_at
from ranked
inner join res_company as company on company.id = ranked.owner_id
inner join res_currency as currency on currency.id = company.currency_id
where ranked.place = 1
