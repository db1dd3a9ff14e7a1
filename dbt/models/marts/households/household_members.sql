with members as (
    select * from {{ source("identity", "household_members") }}
),

links as (
    select * from {{ source("identity", "household_links") }}
),

shared as (
    select
        from_profile_id as profile_id,
        rule
    from links
    union
    select
        to_profile_id as profile_id,
        rule
    from links
),

rules as (
    select
        profile_id,
        {{ dbt.listagg("rule", "','", "order by rule") }} as shared_by
    from shared
    group by profile_id
),

final as (
    select
        members.household_id,
        members.profile_id,
        rules.shared_by
    from members
    left join rules on members.profile_id = rules.profile_id
)

select * from final
