"""What makes identity hard on purpose: identifiers that more than one person uses.

family_email      one address for two or three people of a family
recycled_phone    one number, earlier one person's and later another's
shop_tablet       one browser and device on which hundreds joined the club
default_customer  one loyalty number and one ERP customer for whoever has none
placeholder       what a cashier types to get past a required field, or what a page template wrote
                  as the account of whoever wasn't logged in
"""

DEFAULT_LOYALTY_ID = "2600000017"
DEFAULT_CUSTOMER_ID = "C00000001"
DEFAULT_CUSTOMER_EMAIL = "shop@retailer.example.com"
PLACEHOLDER_EMAIL = "noemail@noemail.com"
PLACEHOLDER_PHONE = "000000000"
PLACEHOLDER_USER_ID = "anonymous"

# Families are drawn by twos and threes out of members of one country, recycled phones in pairs. The
# few who shop every other day are left out: one of them would weigh more than all other mistakes.
TRAPS = """
create table traps as
with members as (
    select
        person_no, country, drawn_family_name,
        row_number() over (order by draw(person_no, 0, 'trap'), person_no) as rank
    from named
    where kind = 'shopper' and is_member and basket_count <= 100
),

families as (
    select
        person_no,
        first_value(person_no) over family as head,
        first_value(drawn_family_name) over family as family_name,
        count(*) over (partition by country, family_no) as size
    from (
        select
            *,
            (position // 5) * 2 + (position % 5 >= 2)::integer as family_no
        from (
            select *, row_number() over (partition by country order by rank) - 1 as position
            from members where rank <= greatest(6, getvariable('customers') * 0.02)
        ) as placed
    ) as grouped
    window family as (partition by country, family_no order by rank)
),

phones as (
    select
        person_no,
        position % 2 = 1 as is_heir,
        lag(person_no) over (partition by country order by position) as former,
        (150 + pick(country, position // 2, 'cut', 120))::integer as cut,
        position = count(*) over (partition by country) - 1 and position % 2 = 0 as is_alone
    from (
        select *, row_number() over (partition by country order by rank) - 1 as position
        from members
        where
            rank > greatest(6, getvariable('customers') * 0.02)
            and rank <= 2 * greatest(6, getvariable('customers') * 0.015)
    ) as placed
)

select
    person_no,
    head as family_head,
    family_name,
    null::integer as phone_heir_of,
    null::integer as phone_cut
from families where size > 1
union all
select person_no, null, null, case when is_heir then former end, cut
from phones where not is_alone;
"""
