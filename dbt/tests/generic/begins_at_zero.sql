{#- The least value is zero: bands that begin later would lose people. -#}
{% test begins_at_zero(model, column_name) %}
    select min({{ column_name }}) as least
    from {{ model }}
    having min({{ column_name }}) <> 0
{% endtest %}
