"""Names, streets and cities of five countries, from Faker's own lists, drawn by index.

Faker is asked for its lists once and never for a person: 200,000 calls take minutes.
"""

from collections.abc import Iterable
from importlib import import_module

import duckdb

from sources.sample.engine import SampleError

_COUNTS = """
create table word_counts as
select
    country,
    gender,
    count(*) filter (where kind = 'given') as given_count,
    count(*) filter (where kind = 'family') as family_count,
    count(*) filter (where kind = 'street') as street_count,
    count(*) filter (where kind = 'city') as city_count
from words
group by country, gender;
"""

_LOCALES = {"PT": "pt_PT", "RO": "ro_RO", "PL": "pl_PL", "GB": "en_GB", "IE": "en_IE"}


def _provider(kind: str, country: str) -> object:
    try:
        module = import_module(f"faker.providers.{kind}.{_LOCALES[country]}")
    except ModuleNotFoundError as error:
        raise SampleError(
            "Faker isn't installed: pip install 'perennial[demo]', then try again."
        ) from error
    provider: object = module.Provider
    return provider


def _words(provider: object, *names: str) -> list[str]:
    """The first of these lists that the provider has, sorted, each word once."""
    for name in names:
        values: Iterable[str] | None = getattr(provider, name, None)
        if values:
            return sorted({word for word in values if isinstance(word, str)})
    raise SampleError(f"Faker has none of {', '.join(names)}: install the version in the lock.")


def _streets(country: str, families: list[str]) -> list[str]:
    address = _provider("address", country)
    if country == "PT":
        return [f"Rua {place}" for place in _words(address, "places")]
    if country == "PL":
        return [f"ul. {street}" for street in _words(address, "streets")]
    if country == "RO":
        return [
            f"{kind} {family}" for kind in ("Strada", "Aleea", "Bulevardul") for family in families
        ]
    suffixes = ("Street", "Road", "Avenue", "Close")
    return [f"{family} {suffix}" for suffix in suffixes for family in families[:200]]


def _cities(country: str, families: list[str]) -> list[str]:
    address = _provider("address", country)
    if country == "GB":  # en_GB composes its towns
        suffixes = _words(address, "city_suffixes")
        return [f"{family}{suffixes[i % len(suffixes)]}" for i, family in enumerate(families[:120])]
    return _words(address, "cities", "counties")


def read_names(connection: duckdb.DuckDBPyConnection) -> None:
    """Create `words` (country, kind, gender, position, word) and `word_counts`."""
    connection.execute(
        "create table words (country text, kind text, gender text, position integer, word text)"
    )

    def add(country: str, kind: str, gender: str, words: list[str]) -> None:
        # Literals, not parameters: a list given as a parameter makes DuckDB import pandas.
        literals = ", ".join("'{}'".format(word.replace("'", "''")) for word in words)
        connection.execute(
            f"insert into words select '{country}', '{kind}', '{gender}', "
            f"unnest(range({len(words)})), unnest([{literals}])"
        )

    for country in _LOCALES:
        person = _provider("person", country)
        women = _words(person, "unisex_last_names", "last_names")
        men = women
        if country == "PL":
            men = sorted({*women[:600], *_words(person, "male_last_names")})
            women = sorted({*women[:600], *(_feminine(name) for name in men)})
        add(country, "given", "F", _words(person, "first_names_female"))
        add(country, "given", "M", _words(person, "first_names_male"))
        add(country, "family", "F", women)
        add(country, "family", "M", men)
        for gender in ("F", "M"):
            add(country, "street", gender, _streets(country, men))
            add(country, "city", gender, _cities(country, men))
    connection.execute(_COUNTS)


def _feminine(family: str) -> str:
    return family[:-1] + "a" if family.endswith(("ski", "cki", "dzki")) else family
