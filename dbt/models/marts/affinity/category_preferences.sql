with not_personalized as (
    {{ not_personalized() }}
),

ranked as (
    select
        habits.*,
        row_number() over (
            partition by habits.profile_id
            order by habits.weight desc, habits.last_bought_on desc, habits.category asc
        ) as category_rank
    from {{ ref("int_category_habits") }} as habits
    left join not_personalized on habits.profile_id = not_personalized.profile_id
    where not_personalized.profile_id is null
),

final as (
    select
        ranked.profile_id,
        ranked.category,
        cast(ranked.category_rank as bigint) as category_rank,
        round(cast(ranked.weight as double), 6) as decayed_purchase_days,
        ranked.purchase_days,
        ranked.last_bought_on,
        coalesce(
            round(
                cast(ranked.weight as double)
                / nullif(cast(ranked.total_weight as double), 0),
                6
            ),
            0
        ) as category_share,
        replace(words.words, '{subject}', ranked.category) as reason_text
    from ranked
    left join {{ ref("affinity_words") }} as words
        on
            words.reason = case
                when ranked.purchase_days >= {{ var("preference_times_from") }} then 'habit'
                else 'purchase'
            end
    where ranked.category_rank <= {{ var("preferences_per_person") }}
)

select * from final
