"""The tills: receipt lines, loyalty members, stores."""

from sources.contract import Column, Rule, Table, happens_in_our_time, is_currency, not_negative
from sources.people import address, channel_consents, identified_by, person

RECEIPT_LINES = Table(
    source="pos",
    name="receipt_lines",
    description="One row a line of a receipt; a return has quantity and line_amount below zero.",
    columns=(
        Column("receipt_id", "text", "The receipt.", required=True),
        Column("store_id", "text", "Where.", required=True),
        Column("register_id", "text", "At which till."),
        Column("sold_at", "local_timestamp", "When, in the store's time zone.", required=True),
        Column("line_no", "integer", "The line's number within the receipt.", required=True),
        Column("product_id", "text", "What was sold.", required=True),
        Column("product_name", "text", "As printed."),
        Column("category", "text", "Where the shop shelves it."),
        Column("quantity", "amount", "How much of it; below zero on a return.", required=True),
        Column("unit_price", "amount", "Price of one, before discounts."),
        Column("discount_amount", "amount", "What was taken off the line."),
        Column("line_amount", "amount", "What the line costs after discounts.", required=True),
        Column("currency", "text", "Currency of the amounts, ISO 4217.", required=True),
        Column("promo_code", "text", "Coupon or campaign."),
        Column("loyalty_id", "text", "The loyalty card that was shown."),
        Column("email", "text", "The address that the receipt was sent to."),
        Column("phone", "text", "The number that the receipt was sent to."),
        Column("payment_card_hash", "text", "The payment card, hashed by the till."),
        Column("original_receipt_id", "text", "On a return: the receipt that it undoes."),
    ),
    key=("receipt_id", "line_no"),
    rules=(
        happens_in_our_time("sold_at"),
        is_currency(),
        not_negative("unit_price"),
        Rule(
            name="sign_of_return",
            sql="""not ("quantity" < 0 and "line_amount" > 0)
                and not ("quantity" > 0 and "line_amount" < 0)""",
            description="quantity and line_amount are both below zero on a return, else neither is",
        ),
        Rule(
            name="negative_discount",
            sql='"quantity" < 0 or coalesce("discount_amount", 0) >= 0',
            description="discount_amount isn't below zero on a sale",
        ),
    ),
    event_time="sold_at",
    identifiers=identified_by("loyalty_id", "email", "phone", payment_card="payment_card_hash"),
)

MEMBERS = Table(
    source="pos",
    name="members",
    description="One row a version of a loyalty member; the latest updated_at wins.",
    columns=(
        Column("loyalty_id", "text", "The loyalty card.", required=True),
        *person(),
        *address(),
        Column("home_store_id", "text", "The store where the member enrolled or usually shops."),
        Column("enrolled_at", "local_timestamp", "When the member enrolled."),
        Column("updated_at", "local_timestamp", "When the member was last changed."),
        *channel_consents(),
    ),
    key=("loyalty_id",),
    event_time="updated_at",
    identifiers=identified_by("loyalty_id", "email", "phone", "tax_id"),
)

STORES = Table(
    source="pos",
    name="stores",
    description="One row a store.",
    columns=(
        Column("store_id", "text", "The store.", required=True),
        Column("name", "text", "What it is called."),
        Column("city", "text", "City."),
        Column("country", "text", "Country, ISO 3166-1 alpha-2."),
        Column("timezone", "text", "IANA name of the time zone of the store's receipts."),
        Column("latitude", "coordinate", "Degrees north."),
        Column("longitude", "coordinate", "Degrees east."),
    ),
    key=("store_id",),
    rules=(
        Rule(
            name="unknown_timezone",
            sql='"timezone" is null or "timezone" in (select name from pg_timezone_names())',
            description="timezone is a name of the IANA time zone database, e.g. Europe/Bucharest",
        ),
        Rule(
            name="not_on_earth",
            sql='coalesce(abs("latitude"), 0) <= 90 and coalesce(abs("longitude"), 0) <= 180',
            description="latitude lies within 90 degrees and longitude within 180",
        ),
    ),
)

TABLES = (RECEIPT_LINES, MEMBERS, STORES)
