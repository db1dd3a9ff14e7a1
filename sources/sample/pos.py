"""The tills' tables, in the columns of the contract: receipt lines, club members, stores."""

import duckdb

from sources.sample.traps import DEFAULT_LOYALTY_ID

# A cashier drops a letter, swaps two, or types without accents.
_TYPING = """
create macro typed(word, who, what) as case
    when word is null then null
    when share(who, 1, what) < 0.04 and length(word) > 3
        then left(word, 1 + pick(who, 2, what, length(word) - 2))
            || word[3 + pick(who, 2, what, length(word) - 2):]
    when share(who, 1, what) < 0.07 and length(word) > 3
        then word[1] || word[3] || word[2] || word[4:]
    when share(who, 1, what) < 0.3 then strip_accents(word)
    when share(who, 1, what) < 0.34 then upper(word)
    else word
end;
create macro flag(mood, yes, no) as
    case when mood < yes then 'true' when mood < no then 'false' end;
create macro local_text(day, second, offset_text) as
    strftime(moment(day, second), '%Y-%m-%dT%H:%M:%S') || coalesce(offset_text, '');
-- Phones as people say them: international, or as at home.
create macro spoken(phone, country, who) as case
    when phone is null or share(who, 0, 'spoken') < 0.5 then phone
    when share(who, 0, 'spoken') < 0.6 then '00' || phone[2:]
    when country = 'IE' then '0' || phone[5:]
    when country in ('GB', 'RO') then '0' || phone[4:]
    when country = 'PT' then phone[5:]
    else phone[4:]
end;
"""

# Grain: one row a version of a member; the latest updated_at wins.
_MEMBERS = """
create table member_versions as
with dated as (
    select
        persons.*,
        least(
            case
                when first_day < 30 then first_day - 5 - pick(person_no, 0, 'joined', 1500)
                else first_day - 1 - pick(person_no, 0, 'joined', 20)
            end,
            phone_to - 10
        )::integer as joined_day,
        case
            when phone_heir_of is not null then phone_from + 5
            when share(person_no, 0, 'changes') < 0.15
                then greatest(first_day, pick(person_no, 0, 'changed', 360))
        end::integer as changed_day,
        36000 + pick(person_no, 0, 'joined at', 30000) as joined_second,
        placeholders.email as placeholder_email,
        placeholders.phone as placeholder_phone
    from persons
    left join placeholders using (person_no)
    where persons.is_member
),

versions as (
    select *, joined_day as version_day, false as is_later from dated
    union all
    select *, changed_day, true from dated where changed_day > joined_day and changed_day <= 364
),

numbered as (
    select versions.*, versions.loyalty_id as number, 1 as card_no from versions
    union all
    -- A lost card is replaced by one of another number.
    select versions.* replace (180 as joined_day, 180 as version_day), second_loyalty_id, 2
    from versions where second_loyalty_id is not null and not is_later
)

select
    n.person_no,
    n.card_no,
    n.version_day,
    n.number as loyalty_id,
    typed(n.given_name, n.person_no, 'given at till') as given_name,
    typed(n.family_name, n.person_no, 'family at till') as family_name,
    case when share(n.person_no, 0, 'birthday told') < 0.8 then n.birth_date end as birth_date,
    n.tax_id,
    coalesce(n.placeholder_email, case
        when n.family_head is not null then n.email
        when n.is_private then null
        when share(n.person_no, 0, 'mail at till') > 0.84 and not n.is_later then null
        when share(n.person_no, 0, 'mail at till') > 0.8 then upper(n.email)
        when share(n.person_no, 0, 'mail at till') < 0.08 then coalesce(n.second_email, n.email)
        else n.email
    end) as email,
    coalesce(n.placeholder_phone, spoken(case
        when n.version_day not between n.phone_from and n.phone_to then n.second_phone
        when n.phone_heir_of is not null or n.phone_to < 100000 then n.phone
        when n.is_private or share(n.person_no, 0, 'phone at till') > 0.85 then null
        when share(n.person_no, 0, 'phone at till') < 0.06 then coalesce(n.second_phone, n.phone)
        else n.phone
    end, n.country, n.person_no)) as phone,
    n.street_address, n.city, n.postal_code, n.country,
    stores.store_id as home_store_id,
    local_text(n.joined_day, n.joined_second, null) as enrolled_at,
    local_text(
        n.version_day, n.joined_second + 600 * n.is_later::integer,
        case when stores.writes_offset then calendar.offset_text end
    ) as updated_at,
    flag(n.email_mood, 0.62, 0.85) as email_marketing,
    flag(n.sms_mood, 0.45, 0.8) as sms_marketing,
    flag(n.chat_mood, 0.3, 0.6) as whatsapp_marketing,
    flag(n.chat_mood, 0.15, 0.5) as viber_marketing
from numbered as n
left join stores on n.home_store_no = stores.store_no
left join calendar on n.country = calendar.country and n.version_day = calendar.day
where n.version_day <= 364;
"""

MEMBERS = f"""
select * exclude (person_no, card_no, version_day)
from (
    from member_versions
    union all by name
    select '{DEFAULT_LOYALTY_ID}' as loyalty_id, 'CLIENTE' as given_name, 'FINAL' as family_name,
        null as person_no, 0 as card_no, -400 as version_day,
        local_text(-400, 36000, null) as enrolled_at, local_text(-400, 36000, null) as updated_at
)
where {{where}}
order by version_day, loyalty_id, updated_at
"""

STORES = """
select
    stores.store_id, 'Store ' || stores.store_no as name, words.word as city, stores.country,
    stores.timezone, stores.latitude, stores.longitude
from stores
inner join word_counts as counts on stores.country = counts.country and counts.gender = 'F'
inner join words
    on
        words.kind = 'city' and stores.country = words.country and words.gender = 'F'
        and words.position = pick(stores.store_no, 0, 'store city', counts.city_count)
where {where}
order by stores.store_id
"""

# Grain: one row a receipt line. A line that was brought back is a line of a receipt of its own.
RECEIPT_LINES = f"""
with heads as (
    select
        concat('R', basket_id, '-', clone) as receipt_id, null as original_receipt_id,
        null as back_line_no, receipts.*
    from receipts
    where {{where}}
    union all by name
    select
        concat('B', basket_id, '-', clone) as receipt_id,
        case when has_original then concat('R', basket_id, '-', clone) end as original_receipt_id,
        line_no as back_line_no, returned_lines.* exclude (days_kept, has_original, line_no)
    from returned_lines
    where {{where}}
),

known as (
    select
        heads.*,
        case when heads.back_line_no is null then 1 else -1 end::decimal(2, 0) as sign,
        stores.store_id,
        stores.currency,
        (1 + pick(heads.basket_id, heads.clone, 'register', 6))::varchar as register_id,
        local_text(
            heads.day, heads.second, case when stores.writes_offset then calendar.offset_text end
        ) as sold_at,
        case heads.loyalty
            when 1 then persons.loyalty_id
            when 2 then persons.second_loyalty_id
            when 9 then '{DEFAULT_LOYALTY_ID}'
        end as loyalty_id,
        case when heads.told = 'email' then coalesce(
            case when heads.second % 5 = 0 then persons.second_email end, persons.email
        ) end as email,
        case when heads.told = 'phone'
            then spoken(persons.phone, persons.country, persons.person_no)
        end as phone,
        case heads.paid_by when 1 then persons.card when 2 then persons.second_card end
            as payment_card_hash
    from heads
    inner join persons using (person_no)
    inner join stores on heads.store_no = stores.store_no
    inner join calendar on stores.country = calendar.country and heads.day = calendar.day
)

select
    known.receipt_id, known.store_id, known.register_id, known.sold_at,
    case when known.back_line_no is null then lines.line_no else 1 end as line_no,
    lines.product_id::varchar as product_id,
    products.name as product_name,
    products.category,
    lines.quantity * known.sign as quantity,
    lines.unit_price,
    lines.discount_amount * known.sign as discount_amount,
    lines.line_amount * known.sign as line_amount,
    known.currency, lines.promo_code, known.loyalty_id, known.email, known.phone,
    known.payment_card_hash, known.original_receipt_id
from known
inner join lines
    on known.basket_id = lines.basket_id
        and coalesce(known.back_line_no, lines.line_no) = lines.line_no
inner join products using (product_id)
order by known.day, known.second, known.receipt_id, line_no
"""


def prepare_pos(connection: duckdb.DuckDBPyConnection) -> None:
    """Create `member_versions` and the macros of how things are typed at a till."""
    connection.execute(_TYPING)
    connection.execute(_MEMBERS)
