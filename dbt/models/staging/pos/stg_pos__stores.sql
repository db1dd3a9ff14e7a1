with source as (
    select * from {{ source("raw", "pos_stores") }}
),

versions as (
    select
        *,
        row_number() over (
            partition by store_id
            order by {{ newest_first() | indent(12) }}
        ) as version_rank
    from source
),

renamed as (
    select
        {{ clean("store_id") }} as store_id,
        {{ clean("name") }} as store_name,
        {{ clean("city") }} as city,
        {{ country_code("country") }} as country,
        {{ known_timezone(clean("timezone")) }} as timezone,
        latitude,
        longitude
    from versions
    where version_rank = 1 and not _is_deleted
)

select * from renamed
