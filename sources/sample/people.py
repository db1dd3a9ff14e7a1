"""People: one generated identity for each household, and those who never bought.

Grain of `persons`: one row a person. Shoppers are numbered 1 … customers, then come subscribers
(an e-mail, no purchase) and visitors (a browser, nothing else).
"""

import duckdb

from sources.sample.traps import PLACEHOLDER_EMAIL, PLACEHOLDER_PHONE, TRAPS

# One subscriber and one visitor for each ten customers. A household drawn again is a further clone.
_EVERYONE = """
create macro likely(kind, shopper, subscriber) as
    case kind when 'shopper' then shopper when 'subscriber' then subscriber else 0 end;

create table roles as
with everyone as (
    select
        (clones.clone * held.n + households.household_no)::integer as person_no,
        'shopper' as kind,
        households.household_no,
        clones.clone::smallint as clone
    from households
    cross join (select count(*)::integer as n from households) as held
    cross join (select unnest(range(
        (getvariable('customers') // (select count(*) from households)) + 1)) as clone) as clones
    where clones.clone * held.n + households.household_no <= getvariable('customers')
    union all
    select
        (getvariable('customers') + i)::integer,
        case when i <= getvariable('customers') // 10 + 1 then 'subscriber' else 'visitor' end,
        null,
        null
    from range(1, 2 * (getvariable('customers') // 10) + 3) as numbers (i)
)

select
    everyone.person_no,
    'P' || lpad(everyone.person_no::varchar, 7, '0') as person_id,
    everyone.kind,
    everyone.clone,
    -- Those who never bought look at what some household buys.
    coalesce(everyone.household_no, 1 + pick(everyone.person_no, 0, 'muse', households.n))::integer
        as household_no,
    coalesce(stores.country, some_country(share(everyone.person_no, 0, 'country'))) as country,
    coalesce(homes.store_no, 0) as home_store_no,
    coalesce(homes.first_day, 20 + pick(everyone.person_no, 0, 'start', 330))::smallint
        as first_day,
    coalesce(homes.last_day, 364)::smallint as last_day,
    coalesce(homes.basket_count, 0) as basket_count,
    case when share(everyone.person_no, 0, 'gender') < 0.54 then 'F' else 'M' end as gender,
    share(everyone.person_no, 0, 'member') < likely(everyone.kind, 0.75, 0.15) as is_member,
    everyone.kind <> 'shopper' or share(everyone.person_no, 0, 'online') < 0.45 as is_online,
    -- An account, or a guest who only leaves an e-mail.
    share(everyone.person_no, 0, 'account') < likely(everyone.kind, 0.82, 0.6) as wants_account,
    share(everyone.person_no, 0, 'app') < 0.4 as wants_app
from everyone
cross join (select count(*)::integer as n from households) as households
left join homes on everyone.household_no = homes.household_no
left join stores on homes.store_no = stores.store_no;
"""

_NAMES = """
create table named as
with placed as (
    select
        roles.*,
        pick(roles.person_no, 0, 'given', counts.given_count) as given_at,
        pick(roles.person_no, 0, 'family', counts.family_count) as family_at,
        pick(roles.person_no, 0, 'street', counts.street_count) as street_at,
        pick(roles.person_no, 0, 'city', counts.city_count) as city_at
    from roles
    inner join word_counts as counts using (country, gender)
)

select
    placed.* exclude (given_at, family_at, street_at, city_at),
    given.word as given_name,
    family.word as drawn_family_name,
    street.word || case placed.country when 'PT' then ', ' else ' ' end
        || (1 + pick(placed.person_no, 0, 'house', 140)) as street_address,
    city.word as city,
    postal_code(placed.country, placed.person_no) as postal_code,
    (date '2008-01-01' - (pick(placed.person_no, 0, 'birth', 24000))::integer) as birth_date
from placed
inner join words as given
    on
        given.kind = 'given' and placed.country = given.country and placed.gender = given.gender
        and placed.given_at = given.position
inner join words as family
    on
        family.kind = 'family' and placed.country = family.country and placed.gender = family.gender
        and placed.family_at = family.position
inner join words as street
    on
        street.kind = 'street' and placed.country = street.country and placed.gender = street.gender
        and placed.street_at = street.position
inner join words as city
    on
        city.kind = 'city' and placed.country = city.country and placed.gender = city.gender
        and placed.city_at = city.position;
"""

_POSTAL_CODES = """
create macro padded(number, width) as lpad(number::varchar, width, '0');
create macro postal_code(country, who) as case country
    when 'PT'
        then (1000 + pick(who, 0, 'post', 8999)) || '-' || padded(pick(who, 1, 'post', 1000), 3)
    when 'RO' then (100000 + pick(who, 0, 'post', 899999))::varchar
    when 'PL'
        then padded(pick(who, 0, 'post', 100), 2) || '-' || padded(pick(who, 1, 'post', 1000), 3)
    when 'GB' then one_of(['M', 'LS', 'BS', 'SE', 'EH'], who, 0, 'post')
        || (1 + pick(who, 1, 'post', 19)) || ' ' || pick(who, 2, 'post', 10)
        || one_of(['AB', 'DE', 'HJ', 'LN', 'PQ'], who, 3, 'post')
    else 'D' || padded(1 + pick(who, 0, 'post', 24), 2) || ' '
        || one_of(['A', 'C', 'E', 'F', 'H'], who, 1, 'post') || (100 + pick(who, 2, 'post', 900))
end;
"""

# Numbers are a permutation of the person's number, so that no two people share one by accident.
_CONTACTS = """
create table contacts as
select
    named.*,
    coalesce(traps.family_name, named.drawn_family_name) as family_name,
    traps.family_head,
    traps.phone_heir_of,
    traps.phone_cut,
    case named.country
        when 'PT' then '+3519' || one_of(['1', '2', '3', '6'], person_no, 0, 'dial')
        when 'RO' then '+407' || one_of(['2', '3', '4', '5'], person_no, 0, 'dial')
        when 'PL' then '+48' || one_of(['60', '66', '50', '51', '78', '88'], person_no, 0, 'dial')
        when 'GB' then '+447' || one_of(['4', '5', '7', '8'], person_no, 0, 'dial') || '0'
        else '+3538' || one_of(['5', '6', '7'], person_no, 0, 'dial')
    end as dial,
    ((person_no::bigint * 7919 + 1234567) % 10000000) as number,
    concat(
        ascii(given_name), '.', ascii(coalesce(traps.family_name, drawn_family_name)), person_no
    ) as mailbox,
    is_online and wants_account as has_account,
    is_online and wants_account and wants_app as has_app
from named
left join traps using (person_no);
"""

_PERSONS = f"""
create table persons as
with own as (
    select
        *,
        mailbox || '@' || one_of(
            ['mail.example.com', 'post.example.org', 'inbox.example.net', 'home.example.com'],
            person_no, 0, 'mail'
        ) as own_email,
        dial || padded(number, 7) as own_phone
    from contacts
)

select
    own.person_no, own.person_id, own.kind, own.clone, own.household_no, own.country,
    countries.currency, countries.timezone, own.home_store_no, own.first_day, own.last_day,
    own.basket_count, own.given_name, own.family_name, own.birth_date,
    -- A family lives together.
    coalesce(head.street_address, own.street_address) as street_address,
    coalesce(head.city, own.city) as city,
    coalesce(head.postal_code, own.postal_code) as postal_code,
    own.is_member, own.is_online, own.has_account, own.has_app, own.family_head,
    coalesce(head.own_email, own.own_email) as email,
    case when share(own.person_no, 0, 'second mail') < 0.25 and own.family_head is null
        then concat(
            left(ascii(own.given_name), 1), '_', ascii(own.family_name), own.person_no,
            '@work.example.com'
        )
    end as second_email,
    coalesce(former.own_phone, own.own_phone) as phone,
    own.phone_heir_of,
    -- Days between which the phone was this person's: a recycled one changes hands once.
    case when own.phone_heir_of is not null then own.phone_cut else -100000 end as phone_from,
    case
        when own.phone_cut is not null and own.phone_heir_of is null then own.phone_cut - 20
        else 100000
    end as phone_to,
    case when share(own.person_no, 0, 'second phone') < 0.15
        then own.dial || padded((own.number + 5000000) % 10000000, 7)
    end as second_phone,
    case when own.is_member then '26' || card_number(own.person_no) end as loyalty_id,
    case when own.is_member and share(own.person_no, 0, 'new card') < 0.03
        then '27' || card_number(own.person_no)
    end as second_loyalty_id,
    case when own.kind = 'shopper' then long_code(own.person_no, 1, 'card') end as card,
    case when own.kind = 'shopper' and share(own.person_no, 0, 'second card') < 0.3
        then long_code(own.person_no, 2, 'card') end as second_card,
    case when own.has_account then 'u-' || code(own.person_no, 0, 'user') end as user_id,
    case when own.has_account and share(own.person_no, 0, 'old user') < 0.02
        then 'u-' || code(own.person_no, 1, 'user') end as old_user_id,
    case when own.has_app then upper(long_code(own.person_no, 0, 'device')) end as device_id,
    (1 + pick(own.person_no, 0, 'browsers', 3))::tinyint as browser_count,
    case when own.country = 'PT' and share(own.person_no, 0, 'tax') < 0.35
        then nif(padded(20000000 + own.person_no % 10000000, 8))
        when own.country = 'PL' and share(own.person_no, 0, 'tax') < 0.15
        then pesel(own.birth_date, own.person_no % 10000)
    end as tax_id,
    -- Some tell the till nothing that they use online, so that no rule can join the two.
    own.family_head is null and own.phone_cut is null
        and share(own.person_no, 0, 'private') < case when own.is_member then 0.08 else 0.5 end
        as is_private,
    share(own.person_no, 0, 'e-mail marketing') as email_mood,
    share(own.person_no, 0, 'sms marketing') as sms_mood,
    share(own.person_no, 0, 'chat marketing') as chat_mood
from own
inner join countries using (country)
left join own as head on own.family_head = head.person_no
left join own as former on own.phone_heir_of = former.person_no
order by own.person_no;
drop table roles;
drop table named;
drop table contacts;

create table tablet_users as
select
    person_no,
    1 + pick(person_no, 0, 'which tablet', 1 + getvariable('customers') // 20000) as tablet_no
from persons
where is_member and kind = 'shopper' and not is_private
qualify
    row_number() over (order by draw(person_no, 0, 'tablet'), person_no)
    <= greatest(12, getvariable('customers') // 10);

create table placeholders as
with ranked as (
    select
        person_no,
        row_number() over (order by draw(person_no, 0, 'placeholder'), person_no) as rank
    from persons
    where is_member and kind = 'shopper' and family_head is null
)

select
    person_no,
    case when rank % 2 = 0 then '{PLACEHOLDER_EMAIL}' end as email,
    case when rank % 2 = 1 then '{PLACEHOLDER_PHONE}' end as phone
from ranked
where rank <= greatest(20, getvariable('customers') * 0.02);
"""

# The last digit of a Portuguese NIF and of a Polish PESEL checks the others; whoever was born from
# 2000 on has 20 added to the month.
_NUMBERS = """
create macro card_number(person_no) as
    padded((person_no::bigint * 6151 + 77) % 100000000, 8);
create macro weighted(digits, weights) as list_sum(list_transform(
    range(1, len(weights) + 1), lambda i: digits[i]::integer * weights[i]));
create macro nif(digits) as digits || case
    when weighted(digits, [9, 8, 7, 6, 5, 4, 3, 2]) % 11 < 2 then 0
    else 11 - weighted(digits, [9, 8, 7, 6, 5, 4, 3, 2]) % 11
end;
create macro checked_pesel(digits) as
    digits || ((10 - weighted(digits, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) % 10) % 10)::integer;
create macro pesel(birth_date, serial) as checked_pesel(concat(
    strftime(birth_date, '%y'),
    padded(month(birth_date) + 20 * (year(birth_date) >= 2000)::integer, 2),
    strftime(birth_date, '%d'),
    padded(serial, 4)
));
"""


def make_people(connection: duckdb.DuckDBPyConnection) -> None:
    """Create `persons` with their identifiers, `tablet_users` and `placeholders`."""
    for statements in (_POSTAL_CODES, _NUMBERS, _EVERYONE, _NAMES, TRAPS, _CONTACTS, _PERSONS):
        connection.execute(statements)
