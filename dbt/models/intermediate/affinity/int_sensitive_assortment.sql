with assortment as (
    select
        product_id,
        category
    from {{ ref("int_order_items") }}
    union
    select
        product_id,
        category
    from {{ ref("int_behaviour") }}
    union
    select
        product_id,
        category
    from {{ ref("stg_erp__products") }}
),

categories as (
    select distinct category
    from assortment
    where category is not null
),

spelled as (
    select
        category,
        {{ words_of("category") }} as words
    from categories
),

judged as (
    select
        spelled.category,
        sensitive.word,
        sensitive.reason,
        row_number() over (
            partition by spelled.category order by sensitive.word asc
        ) as standing
    from spelled
    inner join {{ ref("sensitive_categories") }} as sensitive
        on spelled.words like concat('%', {{ words_of("sensitive.word") }}, '%')
),

products as (
    select
        assortment.product_id,
        judged.word,
        judged.reason,
        row_number() over (
            partition by assortment.product_id order by judged.word asc, judged.category asc
        ) as standing
    from assortment
    inner join judged on assortment.category = judged.category
    where assortment.product_id is not null and judged.standing = 1
),

final as (
    select
        'category' as kind,
        category as name,
        word,
        reason
    from judged
    where standing = 1
    union all
    select
        'product' as kind,
        product_id as name,
        word,
        reason
    from products
    where standing = 1
)

select * from final
