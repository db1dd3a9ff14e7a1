{%- set month_told_by_phone -%}
    case
        when phone is not null and coalesce(email, loyalty_id) is null
            then cast(extract(year from sold_at) * 100 + extract(month from sold_at) as {{ type_text() }})
    end
{%- endset -%}

with source as (
    select * from {{ source("raw", "pos_receipt_lines") }}
),

stores as (
    select * from {{ ref("stg_pos__stores") }}
),

-- Only keys take part in finding what was sent again, and only that is sorted: whole rows are what
-- costs.
repeated as (
    select
        receipt_id,
        line_no
    from {{ source("raw", "pos_receipt_lines") }}
    group by receipt_id, line_no
    having count(*) > 1
),

copies as (
    select
        lines.*,
        row_number() over (
            partition by lines.receipt_id, lines.line_no
            order by lines._landed_file desc, lines._loaded_at desc, lines._line desc
        ) as copy_number
    from {{ source("raw", "pos_receipt_lines") }} as lines
    inner join repeated
        on lines.receipt_id = repeated.receipt_id and lines.line_no = repeated.line_no
),

once as (
    select
        source.*,
        1 as copy_number
    from source
    left join repeated
        on source.receipt_id = repeated.receipt_id and source.line_no = repeated.line_no
    where repeated.receipt_id is null
    union all
    select * from copies
    where copy_number = 1
),

placed as (
    select
        once.*,
        case
            when {{ has_offset("once.sold_at") }}
                then {{ try_cast("once.sold_at", type_instant()) }}
        end as sold_at_instant,
        case
            when not {{ has_offset("once.sold_at") }}
                then {{ try_cast("once.sold_at", type_wall_time()) }}
        end as sold_at_wall,
        coalesce(stores.timezone, {{ business_timezone() }}) as timezone,
        stores.country
    from once
    left join stores on once.store_id = stores.store_id
    where not once._is_deleted
),

-- A wall clock is turned into an instant once an hour and zone, not once a line: with a zone that
-- differs from row to row the conversion is ten times as slow (11 s for 3 million rows). Only in an
-- hour in the midst of which clocks are put forward or back (Lord Howe's half hour) each line is
-- turned by itself.
wall_hours as (
    select distinct
        coalesce(stores.timezone, {{ business_timezone() }}) as timezone,
        date_trunc('hour', {{ try_cast("lines.sold_at", type_wall_time()) }}) as wall_hour
    from {{ source("raw", "pos_receipt_lines") }} as lines
    left join stores on lines.store_id = stores.store_id
    where not {{ has_offset("lines.sold_at") }}
),

hours as (
    select
        timezone,
        wall_hour,
        {{ instant_of("wall_hour", "timezone") }} as instant_hour,
        {{ instant_of("wall_hour + interval 59 minute", "timezone") }}
        = {{ instant_of("wall_hour", "timezone") }} + interval 59 minute as is_even
    from wall_hours
),

timed as (
    select
        placed.*,
        case
            when placed.sold_at_instant is not null then placed.sold_at_instant
            when hours.is_even then hours.instant_hour + (placed.sold_at_wall - hours.wall_hour)
            else {{ instant_of("placed.sold_at_wall", "placed.timezone") }}
        end as sold_at_resolved
    from placed
    left join hours
        on
            placed.timezone = hours.timezone
            and date_trunc('hour', placed.sold_at_wall) = hours.wall_hour
),

renamed as (
    select
        -- keys
        {{ clean("receipt_id") }} as receipt_id,
        line_no,
        {{ clean("store_id") }} as store_id,
        {{ clean("register_id") }} as register_id,
        {{ clean("original_receipt_id") }} as original_receipt_id,

        -- when and where
        sold_at_resolved as sold_at,
        timezone,
        country,

        -- what
        {{ clean("product_id") }} as product_id,
        {{ clean("product_name") }} as product_name,
        {{ clean("category") }} as category,
        quantity,
        unit_price,
        coalesce(discount_amount, 0) as discount_amount,
        line_amount,
        upper({{ clean("currency") }}) as currency,
        {{ clean("promo_code") }} as promo_code,

        -- identifiers
        {{ clean("loyalty_id") }} as loyalty_id,
        {{ clean("email") }} as email,
        {{ clean("phone") }} as phone,
        {{ clean("payment_card_hash") }} as payment_card
    from timed
    where sold_at_resolved <= {{ as_of() }}
),

identified as (
    select
        *,
        {{ signal_id(
            "'pos'", email="email", phone="phone", loyalty_id="loyalty_id",
            payment_card="payment_card", period=month_told_by_phone
        ) | indent(8) }} as signal_id
    from renamed
)

select * from identified
