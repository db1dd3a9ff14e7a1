with history as (
    select
        happened_at,
        kind,
        from_profile_id,
        to_profile_id,
        reason
    from {{ source("identity", "history") }}
)

select * from history
