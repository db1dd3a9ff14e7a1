-- Tryton 8: every variant, by its code; the variant's own price comes before its template's.
with prices as (
    select
        product.id as product,
        (array_agg(price.list_price order by price.product is null, price.company, price.id))[1]
            as list_price,
        (array_agg(currency.code order by price.product is null, price.company, price.id))[1]
            as currency,
        max(coalesce(price.write_date, price.create_date)) as changed_at
    from product_product as product
    inner join product_list_price as price
        on price.template = product.template and coalesce(price.product, product.id) = product.id
    inner join company_company as company on company.id = price.company
    inner join currency_currency as currency on currency.id = company.currency
    where price.list_price is not null
    group by product.id
),

-- Not the accountant's categories, which say which account a sale goes to.
categories as (
    select
        link.template,
        (array_agg(category.name order by link.id))[1] as category,
        max(greatest(
            coalesce(category.write_date, category.create_date),
            coalesce(link.write_date, link.create_date)
        )) as changed_at
    from "product_template-product_category" as link
    inner join product_category as category on category.id = link.category
    where not coalesce(category.accounting, false)
    group by link.template
)

select
    coalesce(nullif(product.code, ''), product.id::text) as product_id,
    template.name,
    categories.category,
    null as brand,
    prices.list_price,
    prices.currency,
    changed.changed_at at time zone 'UTC' as updated_at,
    changed.changed_at at time zone 'UTC' as _changed_at
from product_product as product
inner join product_template as template on template.id = product.template
left join prices on prices.product = product.id
left join categories on categories.template = template.id
cross join lateral (
    select greatest(
        coalesce(product.write_date, product.create_date),
        coalesce(template.write_date, template.create_date),
        prices.changed_at,
        categories.changed_at
    ) as changed_at
) as changed
