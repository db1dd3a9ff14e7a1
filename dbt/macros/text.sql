{#- Text as it is meant: without surrounding blanks, and null where nothing is left. -#}
{% macro clean(text) -%}
    nullif(trim({{ text }}), '')
{%- endmacro %}

{#- A value of another type, null where the text doesn't hold one. -#}
{% macro try_cast(text, data_type) -%}
    {{ return(adapter.dispatch("try_cast")(text, data_type)) }}
{%- endmacro %}

{% macro default__try_cast(text, data_type) -%}
    try_cast({{ text }} as {{ data_type }})
{%- endmacro %}

{#- An ISO 3166 alpha-2 code in capitals, null for anything else. -#}
{% macro country_code(text) -%}
    case when length(trim({{ text }})) = 2 then upper(trim({{ text }})) end
{%- endmacro %}

{#-
    Whether an ISO 8601 time ends in an offset, so that it is an instant and not a wall clock: a Z, or a
    sign behind the eleven characters of the date and its T.
-#}
{% macro has_offset(text) -%}
    (
        {{ text }} like '%Z'
        or {{ text }} like '%z'
        or {{ text }} like '___________%+%'
        or {{ text }} like '___________%-%'
    )
{%- endmacro %}
