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

{#- Whether an ISO 8601 text ends in an offset, so that it is an instant and not a wall clock. -#}
{% macro has_offset(text) -%}
    {{ return(adapter.dispatch("has_offset")(text)) }}
{%- endmacro %}

{% macro default__has_offset(text) -%}
    regexp_matches({{ text }}, '[0-9:.]{4,}\s*([zZ]|[+-][0-9]{2}(:?[0-9]{2})?)$')
{%- endmacro %}

{% macro spark__has_offset(text) -%}
    {{ text }} rlike '[0-9:.]{4,}\\s*([zZ]|[+-][0-9]{2}(:?[0-9]{2})?)$'
{%- endmacro %}
