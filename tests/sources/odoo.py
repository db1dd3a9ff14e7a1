"""Odoo's tables as its modules make them, in a real PostgreSQL: columns, types and constraints.

Odoo itself is no package that can be installed; its models say what is stored. A float with digits
is numeric, one without is a double; a name that is translated is jsonb; times have no zone.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb
from tryton import serve

__all__ = ["ALL_MODULES", "Odoo", "serve"]

Row = dict[str, Any]
NOW = datetime(2026, 3, 2, 9, 30)  # noqa: DTZ001  as Odoo stores it

# module: table: columns, as `name type`; `*` is required, `>table` a foreign key, `17:` a version.
_SCHEMA = """
base
    res_currency: name varchar *, symbol varchar *, rounding numeric, decimal_places integer
    res_country: name jsonb *, code varchar(2) *
    res_partner: name varchar, type varchar, parent_id integer >res_partner, is_company boolean
    res_partner: email varchar, phone varchar, mobile varchar, vat varchar, ref varchar, tz varchar
    res_partner: street varchar, street2 varchar, city varchar, zip varchar, lang varchar
    res_partner: country_id integer >res_country, active boolean, comment text
    res_partner: partner_latitude numeric, partner_longitude numeric
    res_company: name varchar *, partner_id integer * >res_partner
    res_company: currency_id integer * >res_currency
    res_users: login varchar *, partner_id integer * >res_partner, active boolean, share boolean
    ir_model_data: module varchar *, name varchar *, model varchar *, res_id integer
mail
    res_partner: email_normalized varchar
    mail_blacklist: email varchar *, active boolean
phone_validation
    res_partner: phone_sanitized varchar
    phone_blacklist: number varchar *, active boolean
product
    product_category: name varchar *, complete_name varchar, parent_id integer >product_category
    product_template: name jsonb *, type varchar *, 17:detailed_type varchar, list_price numeric
    product_template: categ_id integer * >product_category, company_id integer >res_company
    product_template: default_code varchar, active boolean, 18:is_storable boolean
    product_product: product_tmpl_id integer * >product_template, default_code varchar
    product_product: barcode varchar, active boolean, combination_indices varchar
    product_template_attribute_value: price_extra numeric, ptav_active boolean
    product_variant_combination: product_product_id integer * >product_product
    product_variant_combination: product_template_attribute_value_id integer *
account
    res_partner: customer_rank integer, supplier_rank integer
    account_journal: name jsonb *, code varchar(5) *, type varchar *
    account_journal: currency_id integer >res_currency, company_id integer * >res_company
    account_move: name varchar, ref varchar, move_type varchar *, state varchar *, date date *
    account_move: partner_id integer >res_partner, currency_id integer * >res_currency
    account_move: invoice_date date, reversed_entry_id integer >account_move
    account_move_line: move_id integer * >account_move, display_type varchar *
    account_move_line: product_id integer >product_product, quantity numeric, price_unit numeric
    account_move_line: price_subtotal numeric, price_total numeric
stock
    stock_location: name varchar *, usage varchar *
    stock_warehouse: name varchar *, partner_id integer >res_partner
    stock_picking_type: name jsonb *, code varchar *, warehouse_id integer >stock_warehouse
    stock_picking: name varchar, state varchar, picking_type_id integer * >stock_picking_type
    stock_picking: location_id integer * >stock_location
    stock_picking: location_dest_id integer * >stock_location, date_done timestamp
sale
    sale_order: name varchar *, partner_id integer * >res_partner, state varchar, locked boolean
    sale_order: company_id integer * >res_company, currency_id integer >res_currency
    sale_order: client_order_ref varchar, origin varchar, date_order timestamp *
    sale_order: commitment_date timestamp, amount_untaxed numeric, amount_tax numeric
    sale_order: amount_total numeric, currency_rate numeric, 17:amount_to_invoice numeric
    sale_order_line: order_id integer * >sale_order, sequence integer, name text *
    sale_order_line: display_type varchar, product_id integer >product_product
    sale_order_line: product_uom_qty numeric *, price_unit numeric *, discount numeric
    sale_order_line: price_subtotal numeric, price_total numeric, price_tax double precision
    sale_order_line: qty_delivered numeric, is_downpayment boolean
    sale_order_line: 18:technical_price_unit double precision
    sale_order_line_invoice_rel: order_line_id integer * >sale_order_line
    sale_order_line_invoice_rel: invoice_line_id integer * >account_move_line
    account_move_line: is_downpayment boolean
sale_stock
    stock_picking: sale_id integer >sale_order
    sale_order: effective_date timestamp, delivery_status varchar
delivery
    sale_order_line: is_delivery boolean
website_sale
    sale_order: website_id integer
loyalty
    loyalty_program: name jsonb *, program_type varchar *
    loyalty_rule: program_id integer * >loyalty_program, mode varchar, code varchar
    loyalty_card: program_id integer >loyalty_program, partner_id integer >res_partner
    loyalty_card: code varchar *, points double precision, 18:active boolean
sale_loyalty
    loyalty_rule_sale_order_rel: sale_order_id integer * >sale_order
    loyalty_rule_sale_order_rel: loyalty_rule_id integer * >loyalty_rule
    sale_order_line: is_reward_line boolean
point_of_sale
    pos_config: name varchar *, company_id integer * >res_company, active boolean
    pos_config: journal_id integer >account_journal
    pos_config: picking_type_id integer * >stock_picking_type
    pos_session: name varchar *, config_id integer * >pos_config, state varchar *
    pos_order: name varchar *, pos_reference varchar, session_id integer * >pos_session
    pos_order: config_id integer >pos_config, date_order timestamp, state varchar
    pos_order: partner_id integer >res_partner, account_move integer >account_move
    pos_order: company_id integer * >res_company, amount_total numeric *
    pos_order: 18:email varchar, 18:mobile varchar, 18:source varchar
    pos_order_line: order_id integer * >pos_order, product_id integer * >product_product
    pos_order_line: qty numeric, price_unit numeric, discount numeric, full_product_name varchar
    pos_order_line: price_subtotal numeric *, price_subtotal_incl numeric *
    pos_order_line: refunded_orderline_id integer >pos_order_line, 18:is_edited boolean
pos_sale
    pos_order_line: sale_order_origin_id integer >sale_order
helpdesk
    helpdesk_stage: name jsonb *, fold boolean
    helpdesk_ticket_type: name jsonb *
    helpdesk_ticket: name varchar *, partner_id integer >res_partner, active boolean
    helpdesk_ticket: stage_id integer >helpdesk_stage, close_date timestamp
    helpdesk_ticket: ticket_type_id integer >helpdesk_ticket_type
helpdesk_mgmt
    helpdesk_ticket_stage: name jsonb *, closed boolean
    helpdesk_ticket_category: name jsonb *
    helpdesk_ticket: name varchar *, partner_id integer >res_partner, active boolean
    helpdesk_ticket: stage_id integer >helpdesk_ticket_stage, closed_date timestamp
    helpdesk_ticket: category_id integer >helpdesk_ticket_category
"""
_CHECKS = [
    "alter table sale_order add constraint sale_order_date_order_conditional_required "
    "check ((state = 'sale' and date_order is not null) or state <> 'sale')",
    "alter table sale_order_line add constraint sale_order_line_accountable_required_fields "
    "check (display_type is not null or is_downpayment or product_id is not null)",
    "alter table sale_order_line add constraint sale_order_line_non_accountable_null_fields "
    "check (display_type is null or (product_id is null and price_unit = 0))",
]
_OWN_COLUMNS = "create_uid integer, create_date timestamp, write_uid integer, write_date timestamp"
ALL_MODULES = tuple(
    line for line in _SCHEMA.split("\n") if line and line[0] != " " and line != "helpdesk_mgmt"
)


def _columns(modules: Iterable[str], version: int) -> Iterator[tuple[str, str]]:
    """Tables and columns that the modules bring, in their order."""
    module = ""
    for line in filter(None, _SCHEMA.split("\n")):
        if not line.startswith(" "):
            module = line
        elif module in modules:
            table, columns = line.strip().split(": ")
            for column in columns.split(", "):
                only, _, rest = column.rpartition(":")
                if not only or int(only) == version:
                    yield table, rest


def _ddl(modules: Iterable[str], version: int) -> Iterator[str]:
    known = set()
    for table, column in _columns(modules, version):
        if table not in known:
            known.add(table)
            key = f"id serial, {_OWN_COLUMNS}, constraint {table}_pkey primary key (id)"
            # What joins two tables has no columns of its own.
            is_link = table.endswith(("_rel", "_combination"))
            yield f"create table {table} ({'' if is_link else key})"
        name = column.split(" ")[0]
        target = re.search(r">(\w+)", column)
        kind = re.sub(r" >\w+", "", column).replace(" *", " not null")
        yield f"alter table {table} add column {kind}"
        if target:
            yield (
                f"alter table {table} add constraint {table}_{name}_fkey foreign key ({name}) "
                f"references {target[1]} (id) on delete restrict"
            )


class Odoo:
    """A database, and beside it in memory the rows that it has, for telling what they mean."""

    def __init__(self, url: str, version: int) -> None:
        self.url = url
        self.version = version
        self.tables: dict[str, dict[int, Row]] = {}
        self.now = NOW
        self.columns: set[tuple[str, str]] = set()

    def create(self, modules: Iterable[str] = ALL_MODULES) -> None:
        """Make the tables of the modules."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            checks = _CHECKS if "sale" in modules else []
            connection.execute("; ".join([*_ddl(modules, self.version), *checks]))
        self.columns = {
            (table, column.split(" ")[0]) for table, column in _columns(modules, self.version)
        }

    def all(self, table: str) -> list[Row]:
        """The rows of a table, by id."""
        return [row for _, row in sorted(self.tables.get(table, {}).items())]

    def get(self, table: str, key: int | None) -> Row:
        """A row by its id; of none, one without values."""
        return self.tables[table][key] if key else {}

    def where(self, table: str, **values: Any) -> list[Row]:
        """The rows that have these values."""
        return [row for row in self.all(table) if values.items() <= row.items()]

    def add(self, table: str, **values: Any) -> int:
        """Create a row, as the ORM does: dated, and with nothing where nothing is said."""
        rows = self.tables.setdefault(table, {})
        key = len(rows) + 1
        if table.endswith(("_rel", "_combination")):
            rows[key] = values
            self._write(f"insert into {table}", values)
            return key
        own = {"id": key, "create_date": self.now, "write_date": self.now}
        known = {column: None for owner, column in self.columns if owner == table}
        given = {column: value for column, value in values.items() if column in known}
        rows[key] = known | given | own
        self._write(f"insert into {table}", given | own)
        return key

    def write(self, table: str, key: int, **values: Any) -> None:
        """Change a row, which dates it."""
        self.touch(table, key, write_date=self.now, **values)

    def touch(self, table: str, key: int, **values: Any) -> None:
        """Change a row as SQL does that goes past the ORM: it isn't dated."""
        values = {
            c: v for c, v in values.items() if c == "write_date" or (table, c) in self.columns
        }
        self.tables[table][key] |= values
        settings = ", ".join(f"{column} = %s" for column in values)
        self._execute(f"update {table} set {settings} where id = {key}", values)

    def remove(self, table: str, key: int) -> None:
        """Delete a row."""
        del self.tables[table][key]
        self._execute(f"delete from {table} where id = {key}", {})

    def _write(self, statement: str, values: Row) -> None:
        places = ", ".join(["%s"] * len(values))
        self._execute(f"{statement} ({', '.join(values)}) values ({places})", values)

    def _execute(self, statement: str, values: Row) -> None:
        sent = [Jsonb(value) if isinstance(value, dict) else value for value in values.values()]
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement, sent)


def copy(url: str, name: str, template: str = "template0") -> str:
    """The address of a new database on the same server, empty or as another one is."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"create database {name} template {template} encoding 'utf8'")
    return url.replace("/tryton?", f"/{name}?")
