with review as (
    select
        from_type,
        from_value,
        to_type,
        to_value,
        from_profile_id,
        to_profile_id,
        probability,
        reason
    from {{ source("identity", "review") }}
)

select * from review
