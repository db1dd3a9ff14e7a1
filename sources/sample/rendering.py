"""Events as the Segment spec writes them: one JSON object a line.

A narrow row of `events` meets the person, the product and the order it speaks of only here, file by
file, so that ten million events need no more memory than one file of them.
"""

import duckdb

# Orders name all their lines; the rows are joined once for each basket, not for each clone.
_PREPARE = """
create macro whole(n) as case when n = floor(n) then n::bigint::varchar else n::varchar end;

create table basket_products as
select
    lines.basket_id,
    '[' || string_agg(
        concat('{', products.json, ',"price":',
            round(lines.line_amount / lines.quantity, 4)::decimal(12, 4),
            ',"quantity":', whole(lines.quantity), ',"coupon":"' || lines.promo_code || '"', '}'),
        ',' order by lines.line_no
    ) || ']' as json
from lines
inner join products using (product_id)
inner join (select distinct basket_id from orders where has_events) as ordered using (basket_id)
group by lines.basket_id;

create table event_kinds (kind varchar, type varchar, event varchar);
insert into event_kinds values
('page', 'page', null), ('screen', 'screen', null), ('identify', 'identify', null),
('alias', 'alias', null), ('group', 'group', null),
('viewed', 'track', 'Product Viewed'), ('added', 'track', 'Product Added'),
('removed', 'track', 'Product Removed'), ('cart_viewed', 'track', 'Cart Viewed'),
('checkout', 'track', 'Checkout Started'), ('coupon', 'track', 'Coupon Applied'),
('completed', 'track', 'Order Completed'),
('consent', 'track', 'Segment Consent Preference Updated'),
('delivered', 'track', 'Email Delivered'), ('opened', 'track', 'Email Opened'),
('clicked', 'track', 'Email Link Clicked'), ('unsubscribed', 'track', 'Unsubscribed'),
('push_received', 'track', 'Push Notification Received'),
('push_tapped', 'track', 'Push Notification Tapped');

create macro visitor_code(person_no, visitor) as case
    when visitor > 90 then 'tablet-' || code(visitor, 0, 'tablet browser')
    when visitor > 0 then code(person_no, visitor, 'browser')
end;
create macro message_code(e) as 'm-' || code(
    e.person_no, concat_ws('|', e.kind, epoch_ms(e.happened_at), e.visitor, e.basket_id,
        e.product_id, e.note), 'message'
);
create macro device_code(device_id, visitor) as case
    when visitor > 90 then 'TABLET' || upper(code(visitor, 0, 'tablet device'))
        when visitor = 11 then device_id
end;

-- What a person leaves online: names as typed, the address they prefer, when each is true.
create table online_identities as
select
    person_no, person_id, currency, user_id, old_user_id, device_id, email, second_email,
    loyalty_id,
    has_account, kind as person_kind,
    case when share(person_no, 0, 'phone online') < 0.5 then phone end as phone,
    phone_from, phone_to,
    to_json(case when share(person_no, 0, 'accents online') < 0.2 then strip_accents(given_name)
        else given_name end)
        as given_json,
    to_json(case when share(person_no, 0, 'accents online') < 0.2 then strip_accents(family_name)
        else family_name end)
        as family_json,
    not is_private and share(person_no, 0, 'card online') < 0.45 as tells_loyalty_id,
    share(person_no, 0, 'mail online') < 0.2 as prefers_second_email
from persons;
"""

# A quarter of the identify calls are made with the person's other address.
EVENTS = """
select
    e.*,
    event_kinds.type,
    event_kinds.event,
    message_code(e) as message_id,
    p.person_id,
    visitor_code(e.person_no, e.visitor) as anonymous_id,
    case when e.is_known and e.visitor < 90 then case
        when p.old_user_id is not null
            and datediff('day', getvariable('first_on'), e.happened_at::date) < 120
        then p.old_user_id else p.user_id end
    end as known_user_id,
    case
        when e.kind in ('delivered', 'opened', 'clicked', 'unsubscribed') then p.email
        when not e.is_known then null
        when e.visitor > 90 then p.email
        when e.kind = 'identify'
            then case when p.prefers_second_email then coalesce(p.second_email, p.email)
            else p.email end
        when not p.has_account then p.email
    end as told_email,
    case when e.kind = 'identify'
        and datediff('day', getvariable('first_on'), e.happened_at::date) between p.phone_from
        and p.phone_to
        then p.phone end as told_phone,
    case when e.kind = 'identify'
        and (p.tells_loyalty_id or e.visitor > 90) then p.loyalty_id end as told_loyalty_id,
    device_code(p.device_id, e.visitor) as told_device_id,
    p.old_user_id, p.given_json, p.family_json, p.currency, p.person_kind,
    share(e.person_no, e.happened_at, 'clock') as clock_draw
from events as e
inner join event_kinds using (kind)
inner join online_identities as p using (person_no)
"""

# Eight in a hundred are written by a device whose clock is wrong: only originalTimestamp,
# receivedAt and sentAt together say when it was.
LINES = """
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
)

select concat(
    '{{"type":"', type, '","messageId":"', message_id, '"',
    case when clock_draw < 0.08 then concat(
        ',"originalTimestamp":"', iso_ms(happened_at - skew), '","sentAt":"',
        iso_ms(happened_at - skew + interval 2 second),
        '","receivedAt":"', iso_ms(happened_at + interval 2 second), '"'
    ) else concat(',"timestamp":"', iso_ms(happened_at), '"') end,
    ',"anonymousId":"' || anonymous_id || '"',
    case kind when 'alias' then concat(
        ',"previousId":"',
        case when note is null then visitor_code(person_no, visitor) else old_user_id end,
        '","userId":"', user_id_at_alias, '"'
    ) else ',"userId":"' || known_user_id || '"' end,
    ',"event":"' || event || '"',
    case when type in ('page', 'screen') then concat(',"name":"', coalesce(note, 'Home'), '"') end,
    case when kind = 'group'
        then concat(',"groupId":"family-', note, '","traits":{{"plan":"family"}}') end,
    case when kind = 'identify' then concat(
        ',"traits":{{"first_name":', given_json, ',"last_name":', family_json,
        ',"email":"' || told_email || '"',
        ',"phone":"' || told_phone || '"', ',"loyalty_id":"' || told_loyalty_id || '"', '}}'
    ) end,
    case
        when type in ('page', 'screen') then concat(',"properties":{{"path":"', note, '"}}')
        when kind in ('viewed', 'added', 'removed') then concat(
            ',"properties":{{', product_json, ',"price":', price::decimal(12, 2), ',"quantity":',
            whole(quantity),
            ',"currency":"', currency, '"}}')
        when kind = 'completed' then concat(
            ',"properties":{{', note, ',"products":', products_json,
            ',"email":"' || told_email || '"', '}}')
        when kind = 'checkout' then concat(
            ',"properties":{{', note,
            case when note is not null and told_email is not null then ',' end,
            '"email":"' || told_email || '"', '}}')
        when kind = 'coupon' then concat(',"properties":{{"coupon_id":"', note, '"}}')
        when kind in ('delivered', 'opened', 'clicked', 'unsubscribed') then concat(
            ',"properties":{{', note || ',', '"email":"', told_email, '"}}')
        when kind in ('push_received', 'push_tapped') then concat(',"properties":{{', note, '}}')
        when type = 'track' then ',"properties":{{}}'
    end,
    ',"context":{{"library":{{"name":"',
    case source when 'app' then 'analytics-kotlin' else 'analytics.js' end, '"}}',
    ',"device":{{"id":"' || told_device_id || '"}}',
    case when kind not in ('identify', 'completed', 'checkout', 'delivered', 'opened', 'clicked',
        'unsubscribed')
        then ',"traits":{{"email":"' || told_email || '"}}' end,
    case when kind = 'consent'
        then concat(',"consent":{{"categoryPreferences":{{', note, '}}}}') end,
    '}}}}'
) as line
from (select *, coalesce(known_user_id, '') as user_id_at_alias from described) as described
where {where}
order by happened_at, message_id
"""


def prepare_rendering(connection: duckdb.DuckDBPyConnection) -> None:
    """Create what every file of events looks up."""
    connection.execute(_PREPARE)


def event_lines(where: str) -> str:
    """SELECT of one column, `line`, of the events that fulfil the condition, in order of time."""
    return LINES.format(events=EVENTS, where=where)
