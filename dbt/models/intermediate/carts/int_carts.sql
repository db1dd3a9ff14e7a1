with as_of as (
    select
        {{ as_of() }} as as_of,
        {{ dbt.dateadd("day", "-1 * " ~ var("cart_window_days"), as_of()) }} as window_start,
        {{ dbt.dateadd("minute", "-1 * " ~ var("cart_active_minutes"), as_of()) }} as active_since
),

events as (
    select events.*
    from {{ ref("int_behaviour") }} as events
    cross join as_of
    where
        events.event_type = 'track'
        and events.occurred_at >= as_of.window_start
),

added as (
    select
        profile_id,
        coalesce(product_id, '') as product_id,
        occurred_at,
        event_id,
        case when quantity > 0 then quantity else 1 end as quantity,
        category,
        price,
        currency
    from events
    where event_name = 'Product Added'
),

-- A removal that names no quantity takes the whole line out, one that does takes so many.
removed as (
    select
        profile_id,
        coalesce(product_id, '') as product_id,
        occurred_at,
        event_id,
        -quantity as quantity
    from events
    where event_name = 'Product Removed' and quantity > 0
),

emptied as (
    select
        profile_id,
        coalesce(product_id, '') as product_id,
        occurred_at
    from events
    where event_name = 'Product Removed' and (quantity is null or quantity <= 0)
    union all
    select
        events.profile_id,
        coalesce(lines.product_id, '') as product_id,
        events.occurred_at
    from events
    inner join {{ ref("int_order_event_lines") }} as lines on events.event_id = lines.event_id
    where events.event_name = 'Order Completed'
    union all
    -- An order the event of which was lost, or that was given by telephone.
    select
        items.profile_id,
        coalesce(items.product_id, '') as product_id,
        items.ordered_at as occurred_at
    from {{ ref("int_order_items") }} as items
    cross join as_of
    where items.source = 'erp' and items.ordered_at >= as_of.window_start
    union all
    -- An order that lists no products took everything there was.
    select
        events.profile_id,
        cast(null as {{ type_text() }}) as product_id,
        events.occurred_at
    from events
    left join {{ ref("int_order_event_lines") }} as lines on events.event_id = lines.event_id
    where events.event_name = 'Order Completed' and lines.event_id is null
),

last_emptied as (
    select
        profile_id,
        product_id,
        max(occurred_at) as emptied_at
    from emptied
    group by profile_id, product_id
),

moves as (
    select
        profile_id,
        product_id,
        occurred_at,
        event_id,
        quantity
    from added
    union all
    select
        profile_id,
        product_id,
        occurred_at,
        event_id,
        quantity
    from removed
),

running as (
    select
        moves.profile_id,
        moves.product_id,
        moves.quantity,
        sum(moves.quantity) over (
            partition by moves.profile_id, moves.product_id
            order by moves.occurred_at, moves.event_id
            rows between unbounded preceding and current row
        ) as running_quantity
    from moves
    left join last_emptied as of_product
        on moves.profile_id = of_product.profile_id and moves.product_id = of_product.product_id
    left join last_emptied as of_everything
        on moves.profile_id = of_everything.profile_id and of_everything.product_id is null
    where
        (of_product.emptied_at is null or moves.occurred_at > of_product.emptied_at)
        and (of_everything.emptied_at is null or moves.occurred_at > of_everything.emptied_at)
),

-- What stays when a shelf can't hold less than nothing: the sum, less the lowest it ever fell below
-- zero (a removal of what was added before the window is nobody's loss).
remaining as (
    select
        profile_id,
        product_id,
        sum(quantity) - least(min(running_quantity), 0) as quantity
    from running
    group by profile_id, product_id
    having sum(quantity) - least(min(running_quantity), 0) > 0
),

latest_added as (
    select
        *,
        row_number() over (
            partition by profile_id, product_id
            order by occurred_at desc, event_id desc
        ) as recency
    from added
),

priced as (
    select
        remaining.profile_id,
        remaining.product_id,
        remaining.quantity,
        coalesce(latest_added.category, products.category) as category,
        coalesce(latest_added.price, products.list_price) as price,
        coalesce(
            case when latest_added.price is null then products.currency end,
            latest_added.currency,
            {{ reporting_currency() }}
        ) as currency
    from remaining
    inner join latest_added
        on
            remaining.profile_id = latest_added.profile_id
            and remaining.product_id = latest_added.product_id
            and latest_added.recency = 1
    left join {{ ref("stg_erp__products") }} as products
        on remaining.product_id = products.product_id
),

valued as (
    select
        priced.profile_id,
        priced.product_id,
        priced.quantity,
        priced.category,
        {{ money(
            "coalesce(priced.quantity * priced.price, 0) * coalesce(rates.reporting_rate, 1)"
        ) }} as reporting_amount
    from priced
    cross join as_of
    left join {{ ref("int_currency_rates") }} as rates
        on
            priced.currency = rates.currency
            and cast(as_of.as_of as date) >= rates.valid_from
            and cast(as_of.as_of as date) < rates.valid_to
),

categories as (
    select
        profile_id,
        category,
        row_number() over (
            partition by profile_id
            order by sum(reporting_amount) desc, category asc
        ) as category_rank
    from valued
    where category is not null
    group by profile_id, category
),

totals as (
    select
        profile_id,
        {{ money("sum(reporting_amount)") }} as cart_value,
        cast(sum({{ item_count("quantity") }}) as bigint) as item_count
    from valued
    group by profile_id
),

touches as (
    select
        events.profile_id,
        max(events.occurred_at) as touched_at
    from events
    inner join {{ ref("event_kinds") }} as event_kinds
        on events.event_name = event_kinds.event_name
    where event_kinds.is_cart_touch
    group by events.profile_id
),

carts as (
    select
        totals.profile_id,
        case
            when touches.touched_at >= as_of.active_since then 'active' else 'abandoned'
        end as cart_state,
        totals.cart_value,
        touches.touched_at as cart_updated_at,
        totals.item_count,
        categories.category as top_category
    from totals
    cross join as_of
    inner join touches on totals.profile_id = touches.profile_id
    left join categories
        on totals.profile_id = categories.profile_id and categories.category_rank = 1
)

select * from carts
