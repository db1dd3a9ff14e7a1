{#- No place of a block, to a tenth of a degree, is further from its middle. -#}
{%- set reach_km = 11.2 -%}

with profiles as (
    select profile_id from {{ source("identity", "profiles") }}
),

stores as (
    select * from {{ ref("stg_pos__stores") }}
),

positions as (
    select
        *,
        round(latitude, 1) as block_latitude,
        round(longitude, 1) as block_longitude
    from {{ ref("int_positions") }}
),

-- home: what the newest card says, else where the person buys
cards as (
    select
        resolved.profile_id,
        members.home_store_id,
        row_number() over (
            partition by resolved.profile_id
            order by
                coalesce({{ known("members.updated_at") }}, members.enrolled_at) desc nulls last,
                members.loyalty_id asc
        ) as card_rank
    from {{ ref("stg_pos__members") }} as members
    inner join {{ source("identity", "resolved") }} as resolved
        on members.signal_id = resolved.signal_id
    inner join stores on members.home_store_id = stores.store_id
    where resolved.profile_id is not null
),

member_homes as (
    select
        profile_id,
        home_store_id
    from cards
    where card_rank = 1
),

store_days as (
    select distinct
        orders.profile_id,
        orders.store_id,
        orders.purchased_on
    from {{ ref("int_orders") }} as orders
    inner join stores on orders.store_id = stores.store_id
    left join member_homes on orders.profile_id = member_homes.profile_id
    where orders.profile_id is not null and member_homes.profile_id is null
),

visited as (
    select
        profile_id,
        store_id,
        row_number() over (
            partition by profile_id
            order by count(*) desc, max(purchased_on) desc, store_id asc
        ) as store_rank
    from store_days
    group by profile_id, store_id
),

-- nearest: only stores that may be the nearest of some place in a block are asked by its cells
located as (
    select
        store_id,
        {{ on_sphere("latitude", "longitude") }}
    from stores
    where {{ is_place("latitude", "longitude") }}
),

blocks as (
    select distinct
        block_latitude,
        block_longitude,
        {{ on_sphere("block_latitude", "block_longitude") }}
    from positions
),

around as (
    select
        blocks.block_latitude,
        blocks.block_longitude,
        located.store_id,
        located.x,
        located.y,
        located.z,
        {{ distance_km("blocks", "located") }} as block_km
    from blocks
    cross join located
),

closest as (
    select
        block_latitude,
        block_longitude,
        min(block_km) as closest_km
    from around
    group by block_latitude, block_longitude
),

candidates as (
    select around.*
    from around
    inner join closest
        on
            around.block_latitude = closest.block_latitude
            and around.block_longitude = closest.block_longitude
    where around.block_km <= closest.closest_km + 2 * {{ reach_km }}
),

cells as (
    select distinct
        latitude,
        longitude,
        block_latitude,
        block_longitude,
        {{ on_sphere("latitude", "longitude") }}
    from positions
),

distances as (
    select
        cells.latitude,
        cells.longitude,
        candidates.store_id,
        {{ distance_km("cells", "candidates") }} as distance_km
    from cells
    inner join candidates
        on
            cells.block_latitude = candidates.block_latitude
            and cells.block_longitude = candidates.block_longitude
),

shortest as (
    select
        latitude,
        longitude,
        min(distance_km) as distance_km
    from distances
    group by latitude, longitude
),

nearest as (
    select
        distances.latitude,
        distances.longitude,
        min(distances.store_id) as store_id,
        min(distances.distance_km) as distance_km
    from distances
    inner join shortest
        on
            distances.latitude = shortest.latitude
            and distances.longitude = shortest.longitude
            and distances.distance_km = shortest.distance_km
    group by distances.latitude, distances.longitude
),

final as (
    select
        profiles.profile_id,
        coalesce(member_homes.home_store_id, visited.store_id) as home_store_id,
        case
            when member_homes.profile_id is not null then 'card'
            when visited.profile_id is not null then 'purchases'
        end as home_store_by,
        nearest.store_id as nearest_store_id,
        cast(round(nearest.distance_km) as bigint) as nearest_store_km,
        case when nearest.store_id is not null then positions.positioned_on end as positioned_on
    from profiles
    left join member_homes on profiles.profile_id = member_homes.profile_id
    left join visited
        on profiles.profile_id = visited.profile_id and visited.store_rank = 1
    left join positions on profiles.profile_id = positions.profile_id
    left join nearest
        on
            positions.latitude = nearest.latitude
            and positions.longitude = nearest.longitude
)

select * from final
