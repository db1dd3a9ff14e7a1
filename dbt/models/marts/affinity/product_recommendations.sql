with not_personalized as (
    {{ not_personalized() }}
),

products as (
    select
        items.kind,
        items.profile_id,
        items.product_id,
        items.happened_on
    from {{ ref("int_affinity_items") }} as items
    left join not_personalized on items.profile_id = not_personalized.profile_id
    where
        items.product_id is not null
        and items.profile_id is not null
        and not_personalized.profile_id is null
),

days as (
    select
        'bought' as kind,
        profile_id,
        purchased_on as happened_on
    from {{ ref("int_purchase_days") }}
    union
    select
        kind,
        profile_id,
        happened_on
    from products
    where kind = 'viewed'
),

ranked_days as (
    select
        *,
        row_number() over (
            partition by kind, profile_id order by happened_on desc
        ) as day_rank
    from days
),

recent as (
    select
        products.kind,
        products.profile_id,
        products.product_id,
        max(products.happened_on) as last_on,
        count(distinct products.happened_on) as times
    from products
    inner join ranked_days
        on
            products.kind = ranked_days.kind
            and products.profile_id = ranked_days.profile_id
            and products.happened_on = ranked_days.happened_on
    where ranked_days.day_rank <= {{ var("recommendation_days") }}
    group by products.kind, products.profile_id, products.product_id
),

ranked_sources as (
    select
        *,
        row_number() over (
            partition by kind, profile_id order by last_on desc, product_id asc
        ) as source_rank
    from recent
),

on_sale as (
    select distinct product_id
    from {{ ref("int_affinity_items") }}
    where
        kind = 'bought'
        and product_id is not null
        and happened_on >= {{ days_after(today(), -var("recommendation_sold_days")) }}
),

candidates as (
    select
        sources.profile_id,
        pairs.other_product_id as product_id,
        pairs.product_id as because_of_product_id,
        pairs.kind,
        cast(pairs.confidence as decimal(18, 6)) * sources.times as score
    from ranked_sources as sources
    inner join {{ ref("product_pairs") }} as pairs
        on sources.kind = pairs.kind and sources.product_id = pairs.product_id
    inner join on_sale on pairs.other_product_id = on_sale.product_id
    where sources.source_rank <= {{ var("recommendation_products_to") }}
),

-- bought lately, or on the last purchase day
had as (
    select distinct
        products.profile_id,
        products.product_id
    from products
    inner join ranked_days as last_day
        on
            last_day.kind = 'bought'
            and last_day.day_rank = 1
            and products.profile_id = last_day.profile_id
    where
        products.kind = 'bought'
        and (
            products.happened_on = last_day.happened_on
            or products.happened_on
            >= {{ days_after(today(), -var("recommendation_again_days")) }}
        )
),

scored as (
    select
        profile_id,
        product_id,
        sum(score) as score
    from candidates
    group by profile_id, product_id
),

ranked as (
    select
        scored.*,
        row_number() over (
            partition by scored.profile_id order by scored.score desc, scored.product_id asc
        ) as product_rank
    from scored
    left join had
        on scored.profile_id = had.profile_id and scored.product_id = had.product_id
    where had.product_id is null
),

best as (
    select *
    from ranked
    where product_rank <= {{ var("recommendations_per_person") }}
),

reasons as (
    select
        best.*,
        candidates.because_of_product_id,
        candidates.kind,
        row_number() over (
            partition by best.profile_id, best.product_id
            order by
                candidates.score desc,
                candidates.kind asc,
                candidates.because_of_product_id asc
        ) as reason_rank
    from best
    inner join candidates
        on
            best.profile_id = candidates.profile_id
            and best.product_id = candidates.product_id
),

final as (
    select
        reasons.profile_id,
        cast(reasons.product_rank as bigint) as product_rank,
        reasons.product_id,
        cast(reasons.score as double) as score,
        reasons.because_of_product_id,
        reasons.kind,
        replace(
            words.words,
            '{subject}',
            coalesce(catalogue.product_name, reasons.because_of_product_id)
        ) as reason_text
    from reasons
    left join {{ ref("affinity_words") }} as words on reasons.kind = words.reason
    left join {{ ref("stg_erp__products") }} as catalogue
        on reasons.because_of_product_id = catalogue.product_id
    where reasons.reason_rank = 1
)

select * from final
