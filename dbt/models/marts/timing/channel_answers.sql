with totals as (
    select
        profile_id,
        channel,
        count(*) as messages,
        sum(case when is_opened or is_clicked then 1 else 0 end) as answered,
        sum(case when is_clicked then 1 else 0 end) as clicked
    from {{ ref("int_messages") }}
    group by profile_id, channel
),

weighed as (
    select
        *,
        cast(
            clicked + (answered - clicked) * {{ var("engagement_open_weight") }} as decimal(18, 2)
        ) as answers
    from totals
),

everybody as (
    select
        channel,
        cast(sum(answers) as double) / sum(messages) as answer_rate
    from weighed
    group by channel
),

rated as (
    select
        weighed.*,
        round(
            (weighed.answers + {{ var("answer_prior_messages") }} * everybody.answer_rate)
            / (weighed.messages + {{ var("answer_prior_messages") }}),
            6
        ) as answer_rate
    from weighed
    inner join everybody on weighed.channel = everybody.channel
),

ranked as (
    select
        profile_id,
        channel,
        row_number() over (
            partition by profile_id
            order by answer_rate desc, messages desc, channel asc
        ) as answer_rank
    from rated
    where answered > 0
),

final as (
    select
        rated.profile_id,
        rated.channel,
        cast(rated.messages as bigint) as messages,
        cast(rated.answered as bigint) as answered,
        cast(rated.clicked as bigint) as clicked,
        rated.answer_rate,
        cast(ranked.answer_rank as bigint) as answer_rank
    from rated
    left join ranked
        on rated.profile_id = ranked.profile_id and rated.channel = ranked.channel
)

select * from final
