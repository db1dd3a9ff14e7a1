"""The ERP: customers, products, orders, returns and tickets."""

from sources.contract import Column, Rule, Table, happens_in_our_time, is_currency, not_negative
from sources.people import address, channel_consents, identified_by, person

CUSTOMERS = Table(
    source="erp",
    name="customers",
    description="One row a customer account; the latest updated_at wins.",
    columns=(
        Column("customer_id", "text", "The customer's id in the ERP.", required=True),
        *person(),
        *address(),
        Column("loyalty_id", "text", "The loyalty card that the account knows of."),
        Column("web_user_id", "text", "The userId of the customer's account in the web shop."),
        Column("created_at", "timestamp", "When the account was opened."),
        Column("updated_at", "timestamp", "When the account was last changed."),
        Column("is_active", "boolean", "False once the account is closed."),
        *channel_consents(),
    ),
    key=("customer_id",),
    event_time="updated_at",
    identifiers=identified_by(
        *("loyalty_id", "email", "phone", "tax_id"),
        erp_customer_id="customer_id",
        user_id="web_user_id",
    ),
)

PRODUCTS = Table(
    source="erp",
    name="products",
    description="One row a product; the latest updated_at wins.",
    columns=(
        Column("product_id", "text", "The product's id, the same in every source.", required=True),
        Column("name", "text", "What it is called."),
        Column("category", "text", "Where the shop shelves it."),
        Column("brand", "text", "Who makes it."),
        Column("list_price", "amount", "Price before discounts."),
        Column("currency", "text", "Currency of list_price, ISO 4217."),
        Column("updated_at", "timestamp", "When the product was last changed."),
    ),
    key=("product_id",),
    rules=(
        not_negative("list_price"),
        is_currency(),
        Rule(
            name="amount_without_currency",
            sql='"list_price" is null or "currency" is not null',
            description="an amount stands beside its currency",
        ),
    ),
    event_time="updated_at",
)

ORDERS = Table(
    source="erp",
    name="orders",
    description="One row an order, however it came in; the latest updated_at wins.",
    columns=(
        Column("order_id", "text", "The order's id in the ERP.", required=True),
        Column("customer_id", "text", "Who ordered; empty for a guest."),
        Column("ordered_at", "timestamp", "When it was ordered.", required=True),
        Column(
            "channel", "text", "Where it was ordered.", allowed=("web", "app", "phone", "store")
        ),
        Column(
            "status",
            "text",
            "How far it has come.",
            required=True,
            allowed=("pending", "confirmed", "shipped", "delivered", "cancelled"),
        ),
        Column("currency", "text", "Currency of the amounts, ISO 4217.", required=True),
        Column("total_amount", "amount", "What is paid, shipping included.", required=True),
        Column("discount_amount", "amount", "What was taken off."),
        Column("shipping_amount", "amount", "What shipping costs, contained in total_amount."),
        Column("promo_code", "text", "The code that was entered."),
        Column("web_order_id", "text", "The order_id of the Order Completed event: one order."),
        Column("promised_at", "timestamp", "When delivery was promised."),
        Column("delivered_at", "timestamp", "When it was delivered."),
        Column("updated_at", "timestamp", "When the order was last changed."),
    ),
    key=("order_id",),
    rules=(
        happens_in_our_time("ordered_at"),
        is_currency(),
        not_negative("total_amount", "discount_amount", "shipping_amount"),
    ),
    event_time="ordered_at",
    identifiers=identified_by(erp_customer_id="customer_id"),
)

ORDER_LINES = Table(
    source="erp",
    name="order_lines",
    description="One row a line of an order; amounts are in the order's currency.",
    columns=(
        Column("order_id", "text", "The order.", required=True),
        Column("line_no", "integer", "The line's number within the order.", required=True),
        Column("product_id", "text", "What was ordered.", required=True),
        Column("quantity", "amount", "How much of it.", required=True),
        Column("unit_price", "amount", "Price of one, before discounts."),
        Column("discount_amount", "amount", "What was taken off the line."),
        Column("line_amount", "amount", "What the line costs after discounts.", required=True),
    ),
    key=("order_id", "line_no"),
    # A line that takes something off (a coupon, a rebate) has a price below zero: that is allowed.
    rules=(not_negative("quantity", "discount_amount"),),
)

RETURNS = Table(
    source="erp",
    name="returns",
    description="One row a product brought back or sent back.",
    columns=(
        Column("return_id", "text", "The return's id.", required=True),
        Column("order_id", "text", "The order that it undoes a part of."),
        Column("product_id", "text", "What came back."),
        Column("quantity", "amount", "How much of it, not below zero."),
        Column("refund_amount", "amount", "What is paid back, not below zero.", required=True),
        Column("currency", "text", "Currency of refund_amount, ISO 4217.", required=True),
        Column("returned_at", "timestamp", "When it came back.", required=True),
        Column("reason", "text", "Why."),
    ),
    key=("return_id",),
    rules=(
        happens_in_our_time("returned_at"),
        is_currency(),
        not_negative("quantity", "refund_amount"),
    ),
    event_time="returned_at",
)

TICKETS = Table(
    source="erp",
    name="tickets",
    description="One row a ticket with customer service; it is open while closed_at is empty.",
    columns=(
        Column("ticket_id", "text", "The ticket's id.", required=True),
        Column("customer_id", "text", "Who asked."),
        Column("opened_at", "timestamp", "When it was opened.", required=True),
        Column("closed_at", "timestamp", "When it was closed."),
        Column("category", "text", "What it is about."),
        Column("status", "text", "How far it has come, in the ERP's own words."),
    ),
    key=("ticket_id",),
    rules=(happens_in_our_time("opened_at"),),
    event_time="opened_at",
    identifiers=identified_by(erp_customer_id="customer_id"),
)

TABLES = (CUSTOMERS, PRODUCTS, ORDERS, ORDER_LINES, RETURNS, TICKETS)
