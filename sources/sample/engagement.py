"""Who they say they are, what they allow, and what was sent to them.

identify, alias and group calls; consents given and withdrawn; e-mail and push of the dataset's own
27 campaigns and of a monthly newsletter; sign-ups on the shop's tablet.
"""

import duckdb

# At the first visit on each browser and in the app, one identify; accounts that were merged, and
# some apps, alias what came before.
_IDENTITY = """
insert into events
select
    case devices.visitor when 11 then 'app' else 'web' end, 'identify', rhythms.person_no,
    moment(
        greatest(rhythms.first_day - 3, case when devices.visitor < 4
            then ((devices.visitor - 1) * 365 + rhythms.browser_count - 1) // rhythms.browser_count
        end),
        30000 + pick(rhythms.person_no, devices.visitor, 'identified', 40000)
    ),
    devices.visitor, true, null, null, null, null, null
from rhythms
cross join (values (1), (2), (3), (11)) as devices (visitor)
where
    rhythms.has_account
    and case devices.visitor
        when 11 then rhythms.has_app else devices.visitor <= rhythms.browser_count
    end;

insert into events
select
    'app', 'alias', person_no,
    moment(first_day - 3, 75000), 11, true, null, null, null, null, null
from rhythms
where has_app and share(person_no, 0, 'alias') < 0.2
union all
select
    'web', 'alias', person_no, moment(120, 40000), 0, true, null, null, null, null, 'merged account'
from rhythms
where old_user_id is not null;

insert into events
select
    'web', 'group', person_no, moment(first_day, 70000), 1, true, null, null, null, null,
    family_head::varchar
from rhythms
where has_account and family_head is not null;

insert into events
select
    'app', 'identify', tablet_users.person_no,
    moment(
        greatest(0, persons.first_day - 5),
        36000 + pick(tablet_users.person_no, 0, 'at the tablet', 30000)
    ),
    90 + tablet_users.tablet_no, true, null, null, null, null, 'tablet'
from tablet_users
inner join persons using (person_no);
"""

# Permission is asked when an e-mail is first left. Whoever withdraws it does so once, in the
# preference centre or by the link in an e-mail.
_CONSENTS = """
create table permissions as
select
    *,
    moment(first_day - 3, 80000) as asked_at,
    email_mood < 0.66 as allows_email,
    case when email_mood < 0.66 and share(person_no, 0, 'withdraws') < 0.1
        then moment(
            first_day + pick(person_no, 0, 'withdrew', greatest(360 - first_day, 1)), 60000
        )
    end as withdrew_at,
    case when share(person_no, 0, 'by link') < 0.5 then 'unsubscribed' else 'consent' end
        as withdrew_by
from rhythms
where kind <> 'visitor';

insert into events
select
    'web', 'consent', person_no, asked_at,
    browser(browser_count, first_day), true, null, null, null, null,
    concat(
        '"email_marketing":', allows_email, ',"push_marketing":', has_app and chat_mood < 0.8,
        ',"sms_marketing":', sms_mood < 0.4, ',"ads":', chat_mood < 0.45,
        ',"personalization":', chat_mood < 0.7
    )
from permissions
where email_mood < 0.85
union all
select
    'web', withdrew_by, person_no, withdrew_at,
    case
        when withdrew_by = 'consent' then browser(browser_count, 364)
        when has_account then 0
        else 20
    end,
    true, null, null, null, null,
    case withdrew_by when 'consent' then '"email_marketing":false,"ads":false' end
from permissions
where withdrew_at is not null and withdrew_at < getvariable('as_of');
"""

# Household × campaign is the dataset's own; subscribers only get the newsletter.
_MESSAGES = """
create table mailings as
with campaigns as (
    select
        households.household_no,
        campaigns.campaign_id::varchar as campaign,
        descriptions.campaign_type as type,
        datediff('day', date '2017-01-01', descriptions.start_date::date) as day
    from dataset_campaigns as campaigns
    inner join dataset_campaign_descriptions as descriptions using (campaign_id)
    inner join households using (household_id)
    where datediff('day', date '2017-01-01', descriptions.start_date::date) between 0 and 364
),

letters as (
    select permissions.person_no, campaigns.campaign, campaigns.type, campaigns.day
    from permissions
    inner join campaigns using (household_no)
    where permissions.kind = 'shopper'
    union all
    select permissions.person_no, 'N' || months.n, 'Newsletter', 4 + 30 * months.n
    from permissions
    cross join range(12) as months (n)
)

select
    letters.*,
    row_number() over (
        partition by letters.person_no order by letters.day, letters.campaign
    )::integer as n,
    moment(letters.day, 28800 + pick(letters.person_no, letters.day, 'mailed', 7200)) as sent_at,
    concat(
        '"campaign_id":"', letters.campaign, '","campaign_name":"', letters.type, ' ',
        letters.campaign, '"'
    ) as note,
    permissions.has_account,
    permissions.has_app and permissions.chat_mood < 0.8 as allows_push,
    permissions.allows_email
        and (permissions.withdrew_at is null or on_day(letters.day) < permissions.withdrew_at)
        as allows_email
from letters
inner join permissions using (person_no)
where letters.day >= permissions.first_day;

insert into events
select
    'web', steps.kind, mailings.person_no,
    mailings.sent_at
        + to_seconds(steps.lag + pick(mailings.person_no, mailings.n, steps.kind, steps.spread)),
    case when mailings.has_account then 0 else 20 end, true, mailings.n, null, null, null,
    mailings.note
from mailings
inner join (
    values ('delivered', 0, 600, 1.0), ('opened', 900, 40000, 0.34), ('clicked', 41000, 20000, 0.08)
) as steps (kind, lag, spread, reach)
    on share(mailings.person_no, mailings.n, 'reads') < steps.reach
where mailings.allows_email and mailings.sent_at + interval 20 hour < getvariable('as_of');

insert into events
select
    'app', steps.kind, mailings.person_no, mailings.sent_at + to_seconds(steps.lag), 11, true,
    mailings.n,
    null, null, null,
    mailings.note
from mailings
inner join (
    values ('push_received', 14400, 1.0), ('push_tapped', 15000, 0.22)
) as steps (kind, lag, reach)
    on share(mailings.person_no, mailings.n, 'taps') < steps.reach
where mailings.allows_push and mailings.n % 2 = 0
    and mailings.sent_at + interval 20 hour < getvariable('as_of');
drop table mailings;
"""

_TICKETS = """
create table tickets as
with opened as (
    select
        orders.person_no,
        orders.order_no,
        least(
            orders.ordered_at
            + to_hours(pick(orders.person_no, orders.basket_id, 'asked after', 160)),
            getvariable('as_of') - interval 2 hour
        ) as opened_at,
        to_hours(2 + pick(orders.person_no, orders.basket_id, 'answered after', 150))
            as answer_time,
        one_of(
            ['delivery', 'return', 'payment', 'product', 'account'],
            orders.person_no, orders.basket_id, 'about'
        ) as category
    from orders
    where
        orders.has_erp
        and orders.channel <> 'counter'
        and share(orders.person_no, orders.basket_id, 'asks')
        < case when orders.age < interval 6 day then 0.12 else 0.012 end
)

select
    *,
    row_number() over (order by opened_at, person_no, order_no) as ticket_no,
    case when opened_at + answer_time <= getvariable('as_of') then opened_at + answer_time end
        as closed_at
from opened
where opened_at > (select min(ordered_at) from orders);
"""


def make_engagement(connection: duckdb.DuckDBPyConnection) -> None:
    """Add identity calls, consents and messages to `events`; create `permissions` and `tickets`."""
    for statements in (_IDENTITY, _CONSENTS, _MESSAGES, _TICKETS):
        connection.execute(statements)
    # Nothing has happened yet that happens after as_of.
    connection.execute("delete from events where happened_at > getvariable('as_of')")
