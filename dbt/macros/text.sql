{#- Text as it is meant: without surrounding blanks, and null where nothing is left. -#}
{% macro clean(text) -%}
    nullif(trim({{ text }}), '')
{%- endmacro %}

{#- Texts of a list as literals, with commas between. -#}
{% macro quoted(texts) -%}
    {%- for text in texts -%}'{{ text }}'{{ ", " if not loop.last }}{%- endfor -%}
{%- endmacro %}

{#- A value of another type, null where the text doesn't hold one. -#}
{% macro try_cast(text, data_type) -%}
    {{ return(adapter.dispatch("try_cast")(text, data_type)) }}
{%- endmacro %}

{% macro default__try_cast(text, data_type) -%}
    try_cast({{ text }} as {{ data_type }})
{%- endmacro %}

{#- A text of unknown length, as a type. -#}
{% macro type_text() -%}
    {{ return(adapter.dispatch("type_text")()) }}
{%- endmacro %}

{% macro default__type_text() -%}
    varchar
{%- endmacro %}

{% macro spark__type_text() -%}
    string
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

{#- A text in which each {name} stands for a value: numbers as whole ones, what isn't known as nothing. -#}
{% macro filled(template, values) -%}
    {%- set ns = namespace(text=template) -%}
    {%- for name, value in values.items() -%}
        {%- if name != "currency" -%}
            {%- set value = "cast(cast(" ~ value ~ " as bigint) as " ~ type_text() ~ ")" -%}
        {%- endif -%}
        {%- set ns.text = "replace(" ~ ns.text ~ ", '{" ~ name ~ "}', coalesce(" ~ value ~ ", ''))" -%}
    {%- endfor -%}
    {{ ns.text }}
{%- endmacro %}
