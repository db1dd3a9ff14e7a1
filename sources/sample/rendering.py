"""Events as the Segment spec writes them: one JSON object a line.

A narrow row of `events` meets the person, the product and the order it speaks of only here, file by
file, so that ten million events need no more memory than one file of them.
"""

import duckdb

from sources.sample.traps import PLACEHOLDER_USER_ID

# Orders name all their lines; the rows are joined once for each basket, not for each clone.
_PREPARE = """
create macro whole(n) as case when n = floor(n) then n::bigint::varchar else n::varchar end;

create table basket_products as
select
    lines.basket_id,
    '[' || string_agg(
        concat(
            '{', products.json, ',"price":', unit_price_of(lines.line_amount, lines.quantity),
            ',"quantity":', whole(lines.quantity), ',"coupon":"' || lines.promo_code || '"', '}'
        ),
        ',' order by lines.line_no
    ) || ']' as json
from lines
inner join products using (product_id)
inner join (select distinct basket_id from orders where has_events) as ordered using (basket_id)
group by lines.basket_id;

create table event_kinds (kind varchar, type varchar, event varchar, is_mail boolean);
insert into event_kinds values
('page', 'page', null, false),
('screen', 'screen', null, false),
('identify', 'identify', null, false),
('alias', 'alias', null, false),
('group', 'group', null, false),
('viewed', 'track', 'Product Viewed', false),
('added', 'track', 'Product Added', false),
('removed', 'track', 'Product Removed', false),
('cart_viewed', 'track', 'Cart Viewed', false),
('checkout', 'track', 'Checkout Started', false),
('coupon', 'track', 'Coupon Applied', false),
('completed', 'track', 'Order Completed', false),
('consent', 'track', 'Segment Consent Preference Updated', false),
('delivered', 'track', 'Email Delivered', true),
('opened', 'track', 'Email Opened', true),
('clicked', 'track', 'Email Link Clicked', true),
('unsubscribed', 'track', 'Unsubscribed', true),
('push_received', 'track', 'Push Notification Received', false),
('push_tapped', 'track', 'Push Notification Tapped', false);

-- A member of a JSON object with the comma before it, or null; an object of such members.
create macro pair(name, text) as ',"' || name || '":"' || text || '"';
create macro part(name, json) as ',"' || name || '":' || json;
create macro object(members) as '{' || members[2:] || '}';
create macro plain(name, person_no) as
    case when share(person_no, 0, 'accents online') < 0.2 then strip_accents(name) else name end;
create macro visitor_code(person_no, visitor) as case
    when visitor > 90 then 'tablet-' || code(visitor, 0, 'tablet browser')
    when visitor > 0 then code(person_no, visitor, 'browser')
end;
create macro is_mistaken(e) as
    not e.is_known and e.visitor > 0 and share(e.person_no, e.basket_id, 'page template') < 0.01;
create macro message_code(e) as 'm-' || code(
    e.person_no,
    concat_ws('|', e.kind, epoch_ms(e.happened_at), e.visitor, e.basket_id, e.product_id, e.note),
    'message'
);
create macro device_code(device_id, visitor) as case
    when visitor > 90 then 'TABLET' || upper(code(visitor, 0, 'tablet device'))
    when visitor = 11 then device_id
end;

-- What a person leaves online: names as typed, the address they prefer, when each is true.
create table online_identities as
select
    person_no, person_id, currency, user_id, old_user_id, device_id, email, loyalty_id, has_account,
    case when share(person_no, 0, 'phone online') < 0.5 then phone end as phone,
    phone_from, phone_to,
    to_json(plain(given_name, person_no)) as given_json,
    to_json(plain(family_name, person_no)) as family_json,
    not is_private and share(person_no, 0, 'card online') < 0.45 as tells_loyalty_id,
    coalesce(case when share(person_no, 0, 'mail online') < 0.2 then second_email end, email)
        as account_email
from persons;
"""

# Who an event says it is about. One person in five prefers a second address for the account.
EVENTS = f"""
select
    e.*,
    event_kinds.type,
    event_kinds.event,
    event_kinds.is_mail,
    message_code(e) as message_id,
    p.person_id,
    visitor_code(e.person_no, e.visitor) as anonymous_id,
    case
        when is_mistaken(e) then '{PLACEHOLDER_USER_ID}'
        when not e.is_known or e.visitor > 90 then null
        when p.old_user_id is not null and day_of(e.happened_at) < 120 then p.old_user_id
        else p.user_id
    end as known_user_id,
    case
        when event_kinds.is_mail or e.visitor > 90 then p.email
        when e.kind = 'identify' then p.account_email
        when e.is_known and not p.has_account then p.email
    end as told_email,
    case when e.kind = 'identify' and day_of(e.happened_at) between p.phone_from and p.phone_to
        then p.phone
    end as told_phone,
    case when e.kind = 'identify' and (p.tells_loyalty_id or e.visitor > 90)
        then p.loyalty_id
    end as told_loyalty_id,
    device_code(p.device_id, e.visitor) as told_device_id,
    p.old_user_id,
    p.given_json,
    p.family_json,
    p.currency,
    share(e.person_no, e.happened_at, 'clock') < 0.08 as has_wrong_clock
from events as e
inner join event_kinds using (kind)
inner join online_identities as p using (person_no)
"""

# A device whose clock is wrong writes no timestamp: only originalTimestamp, receivedAt and sentAt
# together say when it was.
_LINES = """
with told as (
    {events}
),

described as (
    select
        told.*,
        products.json as product_json,
        basket_products.json as products_json,
        to_seconds(120 + (told.person_no % 97) * 60) as skew
    from told
    left join products using (product_id)
    left join basket_products
        on case when told.kind = 'completed' then told.basket_id end = basket_products.basket_id
),

worded as (
    select
        *,
        case when has_wrong_clock then concat(
            pair('originalTimestamp', iso_ms(happened_at - skew)),
            pair('sentAt', iso_ms(happened_at - skew + interval 2 second)),
            pair('receivedAt', iso_ms(happened_at + interval 2 second))
        ) else pair('timestamp', iso_ms(happened_at)) end as times,
        case
            when kind = 'alias' and note is null then visitor_code(person_no, visitor)
            when kind = 'alias' then old_user_id
        end as previous_id,
        case when kind = 'identify' then concat(
            part('first_name', given_json), part('last_name', family_json),
            pair('email', told_email), pair('phone', told_phone),
            pair('loyalty_id', told_loyalty_id)
        ) end as traits,
        case
            when type in ('page', 'screen') then pair('path', note)
            when kind in ('viewed', 'added', 'removed') then concat(
                ',', product_json, part('price', price::decimal(12, 2)),
                part('quantity', whole(quantity)), pair('currency', currency)
            )
            when kind = 'completed'
                then concat(',', note, part('products', products_json), pair('email', told_email))
            when kind = 'checkout' then concat(',' || note, pair('email', told_email))
            when kind = 'coupon' then pair('coupon_id', note)
            when is_mail then concat(',' || note, pair('email', told_email))
            when kind in ('push_received', 'push_tapped') then ',' || note
            when type = 'track' then ''
        end as properties
    from described
)

select concat(
    '{{"type":"', type, '","messageId":"', message_id, '"',
    times,
    pair('anonymousId', case when kind <> 'alias' or note is null then anonymous_id end),
    pair('userId', known_user_id),
    pair('previousId', previous_id),
    pair('event', event),
    case when type in ('page', 'screen') then pair('name', note) end,
    case when kind = 'group' then pair('groupId', 'family-' || note) end,
    part('traits', object(traits)),
    part('properties', object(properties)),
    ',"context":{{"library":{{"name":"',
    case source when 'app' then 'analytics-kotlin' else 'analytics.js' end,
    '"}}',
    part('device', object(pair('id', told_device_id))),
    case when type <> 'identify' and not is_mail and kind not in ('completed', 'checkout')
        then part('traits', object(pair('email', told_email)))
    end,
    case when kind = 'consent'
        then part('consent', object(part('categoryPreferences', object(',' || note))))
    end,
    '}}}}'
) as line
from worded
where {where}
order by happened_at, message_id
"""


def prepare_rendering(connection: duckdb.DuckDBPyConnection) -> None:
    """Create what every file of events looks up."""
    connection.execute(_PREPARE)


def event_lines(where: str) -> str:
    """SELECT of one column, `line`, of the events that fulfil the condition, in order of time."""
    return _LINES.format(events=EVENTS, where=where)
