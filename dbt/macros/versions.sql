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

{#-
    When a version was written. One that says that the record has left need say no more than its key:
    without a date of its own it has that of the newest version that landed before it.
-#}
{% macro written_at(key, updated_at) -%}
    coalesce(
        {{ updated_at }},
        case
            when _is_deleted
                then max({{ updated_at }}) over (
                    partition by {{ key }}
                    order by _landed_file asc, _loaded_at asc, _line asc
                    rows between unbounded preceding and current row
                )
        end
    )
{%- endmacro %}

{#- Null for what happens after as_of: it isn't known yet. -#}
{% macro known(instant) -%}
    case when {{ instant }} <= {{ as_of() }} then {{ instant }} end
{%- endmacro %}
