{#-
    The order of a record's versions, the one that holds at as_of first: the newest that was written
    by then, else one without a date, else the earliest of the later ones. Versions with one date, or
    with none, are told apart by the name of their file, so that the same landing zone gives the same
    tables however it was loaded; only of a file that was replaced under its name, the newer load.
-#}
{% macro newest_first(updated_at=none) -%}
    {%- if updated_at -%}
    case when {{ updated_at }} <= {{ as_of() }} then {{ updated_at }} end desc nulls last,
    {{ updated_at }} asc nulls first,
    {% endif -%}
    _landed_file desc,
    _loaded_at desc,
    _line desc
{%- endmacro %}

{#- Null for what happens after as_of: it isn't known yet. -#}
{% macro known(instant) -%}
    case when {{ instant }} <= {{ as_of() }} then {{ instant }} end
{%- endmacro %}
