with not_personalized as (
    {{ not_personalized() }}
),

totals as (
    select
        profile_id,
        sum({{ decayed(days_between("purchased_on", today())) }}) as weight
    from {{ ref("int_purchase_days") }}
    group by profile_id
),

everybody as (
    select cast(sum(weight) as double) as weight
    from totals
),

sums as (
    select
        category,
        cast(sum(weight) as double) as weight
    from {{ ref("int_category_habits") }}
    group by category
),

usual as (
    select
        sums.category,
        coalesce(sums.weight / nullif(everybody.weight, 0), 0) as usual_share,
        row_number() over (order by sums.weight desc, sums.category asc) as standing
    from sums
    cross join everybody
),

people as (
    select totals.*
    from totals
    left join not_personalized on totals.profile_id = not_personalized.profile_id
    where not_personalized.profile_id is null
),

-- Of what somebody never bought, only what is most usual can be among the most probable.
usual_first as (
    select
        people.profile_id,
        usual.category
    from people
    cross join usual
    where usual.standing <= {{ var("next_categories_per_person") }}
),

candidates as (
    select
        profile_id,
        category
    from {{ ref("int_category_habits") }}
    union
    select
        profile_id,
        category
    from usual_first
),

rated as (
    select
        people.profile_id,
        candidates.category,
        coalesce(habits.purchase_days, 0) as purchase_days,
        round(
            (
                coalesce(cast(habits.weight as double), 0)
                + {{ var("category_prior_days") }} * usual.usual_share
            )
            / (cast(people.weight as double) + {{ var("category_prior_days") }}),
            6
        ) as probability
    from candidates
    inner join people on candidates.profile_id = people.profile_id
    inner join usual on candidates.category = usual.category
    left join {{ ref("int_category_habits") }} as habits
        on
            candidates.profile_id = habits.profile_id
            and candidates.category = habits.category
),

ranked as (
    select
        *,
        row_number() over (
            partition by profile_id
            order by probability desc, purchase_days desc, category asc
        ) as category_rank
    from rated
),

final as (
    select
        ranked.profile_id,
        cast(ranked.category_rank as bigint) as category_rank,
        ranked.category,
        ranked.probability,
        case when ranked.purchase_days > 0 then ranked.category end as because_of,
        replace(words.words, '{subject}', ranked.category) as reason_text
    from ranked
    left join {{ ref("affinity_words") }} as words
        on
            words.reason = case
                when ranked.purchase_days >= {{ var("preference_times_from") }} then 'habit'
                when ranked.purchase_days > 0 then 'purchase'
                else 'everybody'
            end
    where ranked.category_rank <= {{ var("next_categories_per_person") }}
)

select * from final
