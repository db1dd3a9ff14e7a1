"""The words in which a suite is written: a rule is data, and GX isn't imported here.

    EXPECTATIONS = [
        never_null("profile_id"),
        no_rows("no cart is of negative value", "cart_value < 0", severity="warning"),
    ]

A rule that finds rows counts them and never selects their values, which may be personal data. In
SQL, `{batch}` is the table under judgement and `{as_of}` the logical now of the build, or
`{as_of_text}` where it is compared with text. Rows of raw that have left their source
(`_is_deleted`) aren't judged and aren't in `{batch}`. Any native expectation of
`great_expectations.expectations` may stand in the list as well; its `description` is then the name
of the check, and listing the suites takes the seconds that importing GX takes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["critical", "warning"]

# So many odd rows are no pattern yet, however small the table is.
NOISE = 10

# ISO 4217, the codes in circulation: an amount in any other can't be converted.
_CURRENCY_CODES = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP "
    "BYN BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP "
    "GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR "
    "KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK "
    "MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR "
    "SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS "
    "UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG"
)
CURRENCIES = frozenset(_CURRENCY_CODES.split())


@dataclass(frozen=True)
class Rule:
    """One expectation: a GX class by name with its arguments, or a native expectation as it is."""

    name: str
    expectation: Any
    arguments: Mapping[str, Any] = field(default_factory=dict)
    severity: Severity = "critical"
    columns: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """Name of the GX class."""
        native = self.expectation
        return native if isinstance(native, str) else type(native).__name__


def rule_of(item: Any) -> Rule:
    """Return `item` of an EXPECTATIONS list as a rule; a native expectation brings its own name."""
    if isinstance(item, Rule):
        return item
    if not hasattr(item, "expectation_type"):
        raise TypeError(f"a {type(item).__name__} is neither a rule nor a GX expectation")
    named = (getattr(item, key, None) for key in ("column", "column_A", "column_B"))
    columns = tuple(column for column in named if column)
    name = item.description or " ".join([item.expectation_type.replace("_", " "), *columns])
    return Rule(name, item, severity=str(item.severity.value), columns=columns)  # type: ignore[arg-type]


def has_rows(minimum: int = 1, *, severity: Severity = "critical") -> Rule:
    """At least `minimum` rows."""
    name = "has rows" if minimum == 1 else f"has at least {minimum} rows"
    return Rule(name, "ExpectTableRowCountToBeBetween", {"min_value": minimum}, severity)


def never_null(column: str, *, severity: Severity = "critical") -> Rule:
    """No row without a value in `column`."""
    return Rule(
        f"{column} is never null",
        "ExpectColumnValuesToNotBeNull",
        {"column": column},
        severity,
        (column,),
    )


def unique(*columns: str, severity: Severity = "critical") -> Rule:
    """No two rows with the same values in `columns`; null is a value when there are several."""
    if len(columns) == 1:
        arguments = {"column": columns[0]}
        name = f"{columns[0]} is unique"
        return Rule(name, "ExpectColumnValuesToBeUnique", arguments, severity, columns)
    names = ", ".join(f'"{column}"' for column in columns)
    return query(
        f"{' + '.join(columns)} is unique",
        f"select 1 as unexpected from {{batch}} group by {names} having count(*) > 1",
        severity=severity,
        columns=columns,
    )


def one_of(column: str, values: Iterable[str], *, severity: Severity = "critical") -> Rule:
    """Every value of `column`, where there is one, is among `values`."""
    return Rule(
        f"{column} is known",
        "ExpectColumnValuesToBeInSet",
        {"column": column, "value_set": sorted(values)},
        severity,
        (column,),
    )


def no_rows(name: str, where: str, *, severity: Severity = "critical") -> Rule:
    """No row for which the SQL condition `where` is true."""
    return query(name, f"select 1 as unexpected from {{batch}} where {where}", severity=severity)


def few_rows(name: str, where: str, *, at_most: float, severity: Severity = "critical") -> Rule:
    """The condition `where` is true for at most the share `at_most` of the rows, or NOISE rows.

    For faults of which the world always sends some: a few are its noise, many are a broken feed.
    """
    return query(
        f"{name}, but for {at_most:.0%}",
        "select unnest(range(odd)) as unexpected from (select "
        f"(select count(*) from {{batch}} where {where}) as odd, "
        "(select count(*) from {batch}) as total) "
        f"where odd > greatest({NOISE}, {at_most} * total)",
        severity=severity,
    )


def refers(column: str, to: str, *, severity: Severity = "critical") -> Rule:
    """Every value of `column` occurs in the column of the same name of the table `to`."""
    return query(
        f"{column} occurs in {to}",
        f'select 1 as unexpected from {{batch}} as judged anti join {to} using ("{column}") '
        f'where judged."{column}" is not null',
        severity=severity,
        columns=(column,),
    )


def not_in_the_future(column: str, *, at_most: float = 0.01) -> Rule:
    """The time in `column` is no more than a day after both `as_of` and the row's arrival.

    A build may be asked for a past `as_of`: rows that came later are then no fault of theirs.
    """
    time = f'try_cast("{column}" as timestamptz)'
    # The first condition, implied by the second, compares a till's times as the text they are:
    # parsing 3 M of them took 2 s, and arithmetic on every row's `_loaded_at` as long again.
    late = (
        f'"{column}" > {{as_of_text}} and {time} > {{as_of}} + interval 1 day '
        f"and {time} > _loaded_at + interval 1 day"
    )
    return few_rows(f"{column} isn't in the future", late, at_most=at_most)


def known_currency(*, where: str = "true", at_most: float = 0.01) -> Rule:
    """Amounts are in currencies of ISO 4217; `where` says which rows bear an amount."""
    codes = ", ".join(f"'{code}'" for code in sorted(CURRENCIES))
    return few_rows(
        "currency is known",
        # unnest makes it a hash lookup: 0.04 s on 3 M rows, where the bare list takes 3 s.
        f"({where}) and (currency is null or upper(currency) not in (select unnest([{codes}])))",
        at_most=at_most,
    )


def query(
    name: str, sql: str, *, severity: Severity = "critical", columns: tuple[str, ...] = ()
) -> Rule:
    """No row in the result of `sql`, which selects constants, not values, from `{batch}`.

    GX gives `{batch}` an alias of its own unless the query joins: name it only where you join.
    """
    if "{batch}" not in sql:
        raise ValueError(f"the query of '{name}' never names {{batch}}, the table it judges")
    arguments = {"unexpected_rows_query": sql}
    return Rule(name, "UnexpectedRowsExpectation", arguments, severity, columns)
