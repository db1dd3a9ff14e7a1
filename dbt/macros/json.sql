{#-
    The texts at several places of one JSON column, parsed once: json_texts('properties',
    ['order_id', 'address.city']) as property, then text_at('property', 1) for the city. Numbers
    come as their text, absent places and JSON nulls as null.
-#}
{% macro json_texts(column, places) -%}
    {{ return(adapter.dispatch("json_texts")(column, places)) }}
{%- endmacro %}

{% macro default__json_texts(column, places) -%}
    json_extract_string(
        {{ column }},
        [
            {%- for place in places %}
            '$.{{ place }}'{% if not loop.last %},{% endif %}
            {%- endfor %}
        ]
    )
{%- endmacro %}

{% macro spark__json_texts(column, places) -%}
    array(
        {%- for place in places %}
        get_json_object({{ column }}, '$.{{ place }}'){% if not loop.last %},{% endif %}
        {%- endfor %}
    )
{%- endmacro %}

{#- The cleaned text at a position, counted from zero, of what json_texts gave. -#}
{% macro text_at(texts, position) -%}
    {{ return(adapter.dispatch("text_at")(texts, position)) }}
{%- endmacro %}

{% macro default__text_at(texts, position) -%}
    {{ clean(texts ~ "[" ~ (position + 1) ~ "]") }}
{%- endmacro %}

{% macro spark__text_at(texts, position) -%}
    {{ clean(texts ~ "[" ~ position ~ "]") }}
{%- endmacro %}

{#- The text at a place whose name another column holds. -#}
{% macro json_text_by_key(column, key) -%}
    {{ return(adapter.dispatch("json_text_by_key")(column, key)) }}
{%- endmacro %}

{% macro default__json_text_by_key(column, key) -%}
    json_extract_string({{ column }}, '$."' || {{ key }} || '"')
{%- endmacro %}

{% macro spark__json_text_by_key(column, key) -%}
    element_at(from_json({{ column }}, 'map<string,string>'), {{ key }})
{%- endmacro %}

{#-
    The rows of a relation, each once for every element of a JSON array in it, with `item` (JSON) and
    `position` beside their own columns. What isn't an array has no elements.
-#}
{% macro explode_json(relation, column) -%}
    {{ return(adapter.dispatch("explode_json")(relation, column)) }}
{%- endmacro %}

{% macro default__explode_json(relation, column) -%}
    (
        select
            *,
            unnest(items) as item,
            generate_subscripts(items, 1) as position
        from (select *, json_extract({{ column }}, '$[*]') as items from {{ relation }})
    )
{%- endmacro %}

{% macro spark__explode_json(relation, column) -%}
    (
        select
            *,
            posexplode(from_json({{ column }}, 'array<string>')) as (position, item)
        from {{ relation }}
    )
{%- endmacro %}
