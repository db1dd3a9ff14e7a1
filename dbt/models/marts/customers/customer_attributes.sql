with attributes as (
    select
        profile_id,
        attribute,
        value,
        source,
        written_at,
        strategy,
        candidate_count
    from {{ ref("int_attributes") }}
)

select * from attributes
