"""The columns that describe a person, the same wherever a source keeps people."""

from sources.contract import Column, Identifier


def person() -> tuple[Column, ...]:
    """Name, birth, tax number and contact."""
    return (
        Column("given_name", "text", "Given name, as written by the source."),
        Column("family_name", "text", "Family name, as written by the source."),
        Column("birth_date", "date", "Date of birth."),
        Column("tax_id", "text", "Tax or national number."),
        Column("email", "text", "E-mail address, as written by the source."),
        Column("phone", "text", "Phone number, as written by the source."),
    )


def address() -> tuple[Column, ...]:
    """Where the person lives."""
    return (
        Column("street_address", "text", "Street and number."),
        Column("city", "text", "City."),
        Column("postal_code", "text", "Postal code; text, for its leading zeros."),
        Column("country", "text", "Country, ISO 3166-1 alpha-2."),
    )


def channel_consents() -> tuple[Column, ...]:
    """What the person allowed; empty is unknown, which is not a yes."""
    return tuple(
        Column(f"{channel}_marketing", "boolean", f"Whether marketing by {words} is allowed.")
        for channel, words in (
            ("email", "e-mail"),
            ("sms", "text message"),
            ("whatsapp", "WhatsApp"),
            ("viber", "Viber"),
        )
    )


def identified_by(*kinds: str, **columns: str) -> tuple[Identifier, ...]:
    """By which columns a row names its person: called as their type, or given as `type=column`."""
    named = dict.fromkeys(kinds, "") | columns
    return tuple(Identifier(kind, f'"{column or kind}"') for kind, column in named.items())
