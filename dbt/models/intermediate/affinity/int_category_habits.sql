with category_days as (
    select distinct
        profile_id,
        category,
        happened_on
    from {{ ref("int_affinity_items") }}
    where kind = 'bought' and profile_id is not null and category is not null
),

habits as (
    select
        profile_id,
        category,
        sum({{ decayed(days_between("happened_on", today())) }}) as weight,
        count(*) as purchase_days,
        max(happened_on) as last_bought_on
    from category_days
    group by profile_id, category
),

totals as (
    select
        profile_id,
        sum({{ decayed(days_between("purchased_on", today())) }}) as weight
    from {{ ref("int_purchase_days") }}
    group by profile_id
),

final as (
    select
        habits.profile_id,
        habits.category,
        cast(habits.weight as decimal(18, 9)) as weight,
        cast(totals.weight as decimal(18, 9)) as total_weight,
        cast(habits.purchase_days as bigint) as purchase_days,
        habits.last_bought_on
    from habits
    inner join totals on habits.profile_id = totals.profile_id
)

select * from final
