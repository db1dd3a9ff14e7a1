with bought as (
    select
        'bought' as kind,
        items.order_id as basket_id,
        items.profile_id,
        orders.purchased_on as happened_on,
        items.product_id,
        items.category
    from {{ ref("int_order_items") }} as items
    inner join {{ ref("int_orders") }} as orders on items.order_id = orders.order_id
),

views as (
    select
        profile_id,
        {{ local_date("occurred_at", business_timezone()) }} as happened_on,
        product_id,
        category
    from {{ ref("int_behaviour") }}
    where event_name = 'Product Viewed' and product_id is not null
),

viewed as (
    select distinct
        'viewed' as kind,
        concat(profile_id, ' ', cast(happened_on as {{ type_text() }})) as basket_id,
        profile_id,
        happened_on,
        product_id,
        category
    from views
    where happened_on > {{ days_after(today(), -var("pair_window_days")) }}
),

items as (
    select * from bought
    union all
    select * from viewed
),

final as (
    select items.*
    from items
    left join {{ ref("int_sensitive_assortment") }} as products
        on products.kind = 'product' and items.product_id = products.name
    left join {{ ref("int_sensitive_assortment") }} as categories
        on categories.kind = 'category' and items.category = categories.name
    where
        products.name is null
        and categories.name is null
        and (items.product_id is not null or items.category is not null)
)

select * from final
