{#- What key figures are split by. A person or an order belongs to one member of each. -#}
{% macro dimensions() -%}
    {{ return(["channel", "store", "country", "cohort"]) }}
{%- endmacro %}

{#- The dimensions of a row as select items; where the row says nothing, the member `unknown`. -#}
{% macro known_dimensions(people, own={}) -%}
    {%- for dimension in dimensions() %}
    coalesce({{ own.get(dimension, people ~ "." ~ dimension) }}, 'unknown') as {{ dimension }}
        {{- "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#-
    Dimension and member as select items where rows are grouped by `each_dimension`, which takes rows
    whose dimensions are all filled: one pass sums them for everybody and for each member. sqlfluff
    can't read grouping sets in DuckDB's dialect: `noqa: PRS` where they are written.
-#}
{% macro dimension_and_member() -%}
    case
        {%- for dimension in dimensions() %}
        when {{ dimension }} is not null then '{{ dimension }}'
        {%- endfor %}
        else 'all'
    end as dimension,
    coalesce({{ dimensions() | join(", ") }}, 'all') as member
{%- endmacro %}

{% macro each_dimension(day=none) -%}
    {%- set key = [day] if day else [] -%}
    grouping sets (
        ({{ key | join }})
        {%- for dimension in dimensions() %}, ({{ (key + [dimension]) | join(", ") }}){% endfor -%}
    )
{%- endmacro %}

{#- The store of a purchase: `none` where it wasn't made in one, `unknown` where nobody wrote which. -#}
{% macro store_member(store_id, channel) -%}
    coalesce({{ store_id }}, case when {{ channel }} = 'store' then 'unknown' else 'none' end)
{%- endmacro %}
