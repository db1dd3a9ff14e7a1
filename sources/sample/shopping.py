"""Real shopping: the households' lines, baskets, products and stores as the dataset has them.

Nothing here is invented except which country a store stands in.
"""

import duckdb

# The dataset's clock is UTC; its shops are in the eastern United States. Read there, every basket
# falls into 2017 and the busiest hour is five in the afternoon.
_BASKET_HEADS = """
create table all_heads as
select
    basket_id,
    any_value(household_id)::integer as household_id,
    any_value(store_id)::integer as store_no,
    (any_value(transaction_timestamp) at time zone 'UTC') at time zone 'America/New_York' as sold_at
from dataset_transactions
group by basket_id;

create table households as
select
    household_id,
    row_number() over (
        order by draw(household_id, 0, 'household'), household_id
    )::integer as household_no
from (select distinct household_id from all_heads)
qualify household_no <= least(getvariable('customers'), getvariable('household_limit'));

create table heads as
select all_heads.*, households.household_no
from all_heads
inner join households using (household_id);
drop table all_heads;

create table known_products as
select
    product_id,
    coalesce(
        nullif(concat_ws(' ', product_type, package_size), ''), 'PRODUCT ' || product_id
    ) as name,
    coalesce(product_category, department) as category,
    concat_ws(' ', brand, manufacturer_id) as brand,
    'MFR-' || manufacturer_id as manufacturer_coupon,
    coalesce(department = 'FUEL' or product_type like 'GASOLINE%', false) as is_fuel
from dataset_products;

-- Which campaign's coupon was handed in for which line: redeemed by that household on that day.
create table redeemed as
select
    transactions.basket_id,
    transactions.product_id,
    min('C' || coupons.campaign_id || '-' || coupons.coupon_upc) as promo_code
from heads
inner join dataset_coupon_redemptions as redemptions
    on
        heads.household_id = redemptions.household_id
        and heads.sold_at::date = redemptions.redemption_date::date
inner join dataset_coupons as coupons using (coupon_upc, campaign_id)
inner join dataset_transactions as transactions
    on heads.basket_id = transactions.basket_id and coupons.product_id = transactions.product_id
group by transactions.basket_id, transactions.product_id;
"""

# A quantity of 0 is the dataset's way of saying that the line wasn't counted in pieces; fuel is
# written in thousandths of a gallon.
_LINES = """
create macro cents(amount) as round(amount, 2)::decimal(12, 2);
create macro unit_price_of(amount, quantity) as
    round(amount::double / quantity::double, 4)::decimal(12, 4);

create table lines as
with numbered as (
    select
        transactions.basket_id,
        transactions.product_id,
        heads.household_no,
        transactions.coupon_disc > 0 as has_coupon,
        case
            when transactions.quantity = 0 then 1
            when transactions.quantity >= 1000 then transactions.quantity / 1000
            else transactions.quantity
        end::decimal(12, 3) as quantity,
        cents(transactions.sales_value) as line_amount,
        cents(transactions.retail_disc + transactions.coupon_match_disc) as discount_amount,
        row_number() over (
            partition by transactions.basket_id
            order by transactions.sales_value = 0, transactions.product_id
        )::smallint as line_no
    from dataset_transactions as transactions
    inner join heads using (basket_id)
    qualify line_no <= getvariable('line_limit')
)

select
    numbered.* exclude (has_coupon),
    coalesce(known_products.is_fuel, false) as is_fuel,
    unit_price_of(line_amount + discount_amount, quantity) as unit_price,
    coalesce(
        redeemed.promo_code, case when has_coupon then known_products.manufacturer_coupon end
    ) as promo_code
from numbered
left join known_products using (product_id)
left join redeemed using (basket_id, product_id);

create table baskets as
with totals as (
    select
        basket_id,
        count(*)::smallint as line_count,
        bool_or(is_fuel) as has_fuel,
        sum(line_amount)::decimal(12, 2) as amount,
        sum(discount_amount)::decimal(12, 2) as discount_amount,
        min(promo_code) as promo_code
    from lines
    group by basket_id
)

select
    heads.household_no,
    heads.store_no,
    datediff('day', date '2017-01-01', heads.sold_at::date)::smallint as day,
    datediff('second', heads.sold_at::date::timestamp, heads.sold_at)::integer as second,
    totals.*
from heads
inner join totals using (basket_id);
drop table heads;
drop table redeemed;
"""

_PRODUCTS = """
create table products as
with sold as (
    select product_id, max(unit_price) as list_price, count(*) as sold_count
    from lines
    group by product_id
)

select
    sold.product_id,
    coalesce(known_products.name, 'PRODUCT ' || sold.product_id) as name,
    known_products.category,
    known_products.brand,
    -- The till knows 17 products that the product list doesn't.
    known_products.product_id is not null as is_listed,
    cents(sold.list_price) as list_price,
    concat(
        '"product_id":"', sold.product_id, '","sku":"', sold.product_id, '","name":',
        to_json(coalesce(known_products.name, 'PRODUCT ' || sold.product_id)),
        ',"category":' || to_json(known_products.category)
    ) as json
from sold
left join known_products using (product_id);
drop table known_products;

create table tastes as
select
    household_no,
    product_id,
    max(unit_price) as price,
    row_number() over (
        partition by household_no order by draw(household_no, product_id, 'taste'), product_id
    )::smallint as rank
from lines
where line_amount > 0 and not is_fuel
group by household_no, product_id
qualify rank <= 40;
"""

# Each country's shops, so that a household's baskets stay in its country: a basket in a shop that
# fell to another country is moved to a fixed counterpart (a few are kept, as journeys).
_STORES = """
create table countries (
    country varchar, currency varchar, timezone varchar, dial varchar, weight double,
    latitude double, longitude double
);
insert into countries values
('PT', 'EUR', 'Europe/Lisbon', '+351', 0.30, 39.6, -8.4),
('RO', 'RON', 'Europe/Bucharest', '+40', 0.25, 45.4, 25.4),
('PL', 'PLN', 'Europe/Warsaw', '+48', 0.25, 51.9, 19.6),
('GB', 'GBP', 'Europe/London', '+44', 0.12, 52.2, -1.4),
('IE', 'EUR', 'Europe/Dublin', '+353', 0.08, 53.2, -7.6);

create macro some_country(u) as case
    when u < 0.30 then 'PT' when u < 0.55 then 'RO' when u < 0.80 then 'PL' when u < 0.92 then 'GB'
    else 'IE' end;

create macro nearby(degrees, store_no, which) as
    round(degrees + 2 * share(store_no, which, 'where') - 1, 5)::decimal(8, 5);

create table stores as
with drawn as (
    select distinct store_id::integer as store_no from dataset_transactions
)

select
    drawn.store_no,
    'S' || lpad(drawn.store_no::varchar, 5, '0') as store_id,
    countries.country,
    countries.currency,
    countries.timezone,
    nearby(countries.latitude, drawn.store_no, 1) as latitude,
    nearby(countries.longitude, drawn.store_no, 2) as longitude,
    -- About one till in seven writes its offset.
    share(drawn.store_no, 0, 'till') < 0.15 as writes_offset,
    row_number() over (
        partition by countries.country order by drawn.store_no
    )::integer as rank,
    count(*) over (partition by countries.country)::integer as country_count
from drawn
inner join countries on some_country(share(drawn.store_no, 0, 'country')) = countries.country;

create table store_counterparts as
select
    stores.store_no,
    countries.country,
    case when stores.country = countries.country then stores.store_no else other.store_no end
        as counterpart
from stores
cross join countries
left join stores as other
    on
        countries.country = other.country
        and other.rank
        = 1 + pick(stores.store_no, countries.country, 'counterpart', other.country_count);

create table homes as
select
    baskets.household_no,
    arg_min(baskets.store_no, (-baskets.visits, baskets.store_no)) as store_no,
    min(baskets.first_day)::smallint as first_day,
    max(baskets.last_day)::smallint as last_day,
    sum(baskets.visits)::integer as basket_count
from (
    select household_no, store_no, count(*) as visits, min(day) as first_day, max(day) as last_day
    from baskets group by household_no, store_no
) as baskets
group by baskets.household_no;
"""


def read_shopping(connection: duckdb.DuckDBPyConnection) -> None:
    """Create `lines`, `baskets`, `products`, `tastes`, `stores` and `homes`."""
    for statements in (_BASKET_HEADS, _LINES, _PRODUCTS, _STORES):
        connection.execute(statements)
