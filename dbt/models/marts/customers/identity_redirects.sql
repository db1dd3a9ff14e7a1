with redirects as (
    select
        former_profile_id,
        profile_id,
        since
    from {{ source("identity", "redirects") }}
)

select * from redirects
