{#- In a group: the value of the row that stands last among those that have one. -#}
{% macro latest_known(value, standing) -%}
    max_by({{ value }}, case when {{ value }} is not null then {{ standing }} end)
{%- endmacro %}
