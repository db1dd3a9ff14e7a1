with cut_links as (
    select
        from_type,
        from_value,
        to_type,
        to_value,
        rule,
        source,
        first_seen_at,
        last_seen_at,
        record_count
    from {{ source("identity", "cut_links") }}
)

select * from cut_links
