with links as (
    select
        household_id,
        from_profile_id,
        to_profile_id,
        rule,
        value,
        is_one_name
    from {{ source("identity", "household_links") }}
)

select * from links
