"""A plain deterministic linker: what the sample world must be good for.

Records that share an identifier belong together, after two guards: placeholder values are dropped,
and
an identifier that meets more than five others of one kind belongs to nobody.
"""

from pathlib import Path

import duckdb
import numpy as np
import phonenumbers
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

LIMIT = 5

_READ = """
create view web_and_app as
select * from read_json(
    ['{landing}/web/events/**/*.ndjson', '{landing}/app/events/**/*.ndjson',
        '{landing}/app/events/**/*.jsonl.gz'],
    format = 'newline_delimited', filename = true,
    columns = {{type: 'VARCHAR', messageId: 'VARCHAR', anonymousId: 'VARCHAR', userId: 'VARCHAR',
    previousId: 'VARCHAR',
        traits: 'JSON', properties: 'JSON', context: 'JSON'}}
);
create table mentions as
with texts as (
    select * from read_csv('{landing}/pos/receipt_lines/**/*.csv', all_varchar = true)
),
events as (
    select
        case when filename like '%/app/events/%' then 'app' else 'web' end as source,
        messageId as key, e.*,
        coalesce(traits ->> 'email', properties ->> 'email',
            context -> 'traits' ->> 'email') as email
    from web_and_app as e
)
select distinct * from (
    select source, 'events' as tab, key, unnest([
        {{type: 'anonymous_id', value: anonymousId}}, {{type: 'user_id', value: userId}},
        {{type: case when previousId like 'u-%' then 'user_id' else 'anonymous_id' end,
        value: previousId}},
        {{type: 'email', value: email}}, {{type: 'phone', value: traits ->> 'phone'}},
        {{type: 'loyalty_id', value: traits ->> 'loyalty_id'}},
        {{type: 'device_id', value: context -> 'device' ->> 'id'}}
    ], recursive := true), null as country from events
    union all
    select 'pos', 'receipt_lines', receipt_id, unnest([
        {{type: 'loyalty_id', value: loyalty_id}}, {{type: 'email', value: email}}, {{type: 'phone',
        value: phone}},
        {{type: 'payment_card', value: payment_card_hash}}
    ], recursive := true), stores.country from texts
        inner join read_csv('{landing}/pos/stores/*.csv') as stores using (store_id)
    union all
    select 'pos', 'members', loyalty_id, unnest([
        {{type: 'loyalty_id', value: loyalty_id}}, {{type: 'email', value: email}}, {{type: 'phone',
        value: phone}},
        {{type: 'tax_id', value: tax_id}}
    ], recursive := true), country
        from read_csv('{landing}/pos/members/**/*.csv', all_varchar = true)
    union all
    select 'erp', 'customers', customer_id, unnest([
        {{type: 'erp_customer_id', value: customer_id}}, {{type: 'email', value: email}},
        {{type: 'phone', value: phone}},
        {{type: 'loyalty_id', value: loyalty_id}}, {{type: 'user_id', value: web_user_id}},
        {{type: 'tax_id', value: tax_id}}
    ], recursive := true), country
        from read_csv('{landing}/erp/customers/**/*.csv.gz', all_varchar = true)
    union all
    select 'erp', 'orders', order_id, 'erp_customer_id', customer_id, null
    from read_csv('{landing}/erp/orders/**/*.csv', all_varchar = true)
)
where value is not null;
"""


def _e164(phone: str, country: str | None) -> str | None:
    try:
        number = phonenumbers.parse(phone, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def link(world: Path) -> duckdb.DuckDBPyConnection:
    """A connection with `linked`: source, tab, key, cluster of each record with an identifier."""
    con = duckdb.connect()
    con.execute("set TimeZone = 'UTC'")
    con.execute(_READ.format(landing=world / "landing"))
    phones = con.execute(
        "select distinct value, country from mentions where type = 'phone'"
    ).fetchall()
    con.execute("create table phones (value varchar, country varchar, normal varchar)")
    con.executemany("insert into phones values (?, ?, ?)", [(v, c, _e164(v, c)) for v, c in phones])
    con.execute(f"""
        create table named as
        select distinct source, tab, key, type, case type when 'email' then lower(m.value)
            when 'phone' then normal else m.value end as value
        from mentions as m
        left join phones on m.type = 'phone' and m.value = phones.value
            and m.country is not distinct from phones.country;
        delete from named where value is null or value in ('noemail@noemail.com', 'anonymous');
        create table met as
        select a.type, a.value from named as a inner join named as b using (source, tab, key)
        where b.type in ('email', 'user_id', 'loyalty_id', 'payment_card')
        group by a.type, a.value, b.type having count(distinct b.value) > {LIMIT};
        delete from named
            where exists (from met where met.type = named.type and met.value = named.value);
        create table nodes as select *, row_number() over () - 1 as node
            from (select distinct type, value from named);
        create table signs as
        select source, tab, key, list(node order by node) as held
        from named inner join nodes using (type, value) group by all;
    """)
    pairs = con.execute("select distinct held[1] as a, unnest(held) as b from signs").fetchnumpy()
    size = con.execute("select count(*) from nodes").fetchone()[0]
    ones = np.ones(len(pairs["a"]), dtype=np.int8)
    _, labels = connected_components(
        coo_matrix((ones, (pairs["a"], pairs["b"])), shape=(size, size)), directed=False
    )
    con.register("label_rows", {"node": np.arange(size), "cluster": labels})
    con.execute("create table clusters as from label_rows")
    con.execute(
        "create table linked as select source, tab, key, cluster from signs "
        "inner join clusters on signs.held[1] = clusters.node"
    )
    return con


def precision_and_recall(con: duckdb.DuckDBPyConnection, world: Path) -> tuple[float, float]:
    """Over pairs of records that carry an identifier; a record left alone costs its pairs."""
    row = con.execute(f"""
        with records as (
            select person_id, coalesce(cluster, -row_number() over ()) as cluster
            from '{world}/truth/records.parquet' as truth
            left join linked on truth.source = linked.source and truth."table" = linked.tab
                and truth.record_key = linked.key
            where truth.has_identifier and truth.person_id is not null
                and truth."table" not in ('returns', 'tickets')
        ),
        cells as (select person_id, cluster, count(*)::hugeint as n from records group by all),
        sums as (
            select
                (select sum(n * (n - 1)) from cells) as agreed,
                (select sum(n * (n - 1))
                    from (select sum(n) as n from cells group by cluster)) as found,
                (select sum(n * (n - 1))
                    from (select sum(n) as n from cells group by person_id)) as owed
        )
        select agreed / found, agreed / owed from sums
    """).fetchone()
    return float(row[0]), float(row[1])
