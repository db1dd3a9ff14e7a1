with contents as (
    select distinct
        kind,
        basket_id,
        product_id
    from {{ ref("int_affinity_items") }}
    where
        product_id is not null
        and happened_on > {{ days_after(today(), -var("pair_window_days")) }}
),

baskets as (
    select
        kind,
        basket_id
    from contents
    group by kind, basket_id
    having count(*) <= {{ var("pair_basket_products_to") }}
),

kept as (
    select contents.*
    from contents
    inner join baskets
        on contents.kind = baskets.kind and contents.basket_id = baskets.basket_id
),

totals as (
    select
        kind,
        count(*) as baskets
    from baskets
    group by kind
),

-- A pair is in no more baskets than each of its products (Agrawal and Srikant 1994).
supports as (
    select
        kind,
        product_id,
        count(*) as support
    from kept
    group by kind, product_id
    having count(*) >= {{ var("pair_together_from") }}
),

frequent as (
    select kept.*
    from kept
    inner join supports
        on kept.kind = supports.kind and kept.product_id = supports.product_id
),

pairs as (
    select
        one.kind,
        one.product_id,
        other.product_id as other_product_id,
        count(*) as together
    from frequent as one
    inner join frequent as other
        on
            one.kind = other.kind
            and one.basket_id = other.basket_id
            and one.product_id < other.product_id
    group by one.kind, one.product_id, other.product_id
    having count(*) >= {{ var("pair_together_from") }}
),

counted as (
    select
        pairs.*,
        one.support as support_count,
        other.support as other_support_count,
        totals.baskets
    from pairs
    inner join supports as one
        on pairs.kind = one.kind and pairs.product_id = one.product_id
    inner join supports as other
        on pairs.kind = other.kind and pairs.other_product_id = other.product_id
    inner join totals on pairs.kind = totals.kind
    where pairs.together * totals.baskets > one.support * other.support
),

measured as (
    select
        *,
        round(
            cast(together as double) * baskets
            / (cast(support_count as double) * other_support_count),
            6
        ) as lift,
        round(
            2 * (
                {{ likelihood_cell(
                    "together", "support_count", "other_support_count", "baskets"
                ) | indent(16) }}
                + {{ likelihood_cell(
                    "(support_count - together)", "support_count",
                    "(baskets - other_support_count)", "baskets"
                ) | indent(16) }}
                + {{ likelihood_cell(
                    "(other_support_count - together)", "(baskets - support_count)",
                    "other_support_count", "baskets"
                ) | indent(16) }}
                + {{ likelihood_cell(
                    "(baskets - support_count - other_support_count + together)",
                    "(baskets - support_count)", "(baskets - other_support_count)", "baskets"
                ) | indent(16) }}
            ),
            6
        ) as evidence
    from counted
),

both_ways as (
    select
        kind,
        product_id,
        other_product_id,
        together,
        support_count,
        other_support_count,
        baskets,
        lift,
        evidence
    from measured
    where evidence >= {{ var("pair_evidence_from") }}
    union all
    select
        kind,
        other_product_id as product_id,
        product_id as other_product_id,
        together,
        other_support_count as support_count,
        support_count as other_support_count,
        baskets,
        lift,
        evidence
    from measured
    where evidence >= {{ var("pair_evidence_from") }}
),

rated as (
    select
        *,
        round(cast(together as double) / support_count, 6) as confidence
    from both_ways
),

ranked as (
    select
        *,
        row_number() over (
            partition by kind, product_id
            order by confidence desc, evidence desc, other_product_id asc
        ) as pair_rank
    from rated
),

final as (
    select
        kind,
        product_id,
        other_product_id,
        cast(pair_rank as bigint) as pair_rank,
        cast(together as bigint) as together,
        cast(support_count as bigint) as support_count,
        cast(other_support_count as bigint) as other_support_count,
        cast(baskets as bigint) as baskets,
        confidence,
        lift,
        evidence
    from ranked
    where pair_rank <= {{ var("pairs_per_product") }}
)

select * from final
