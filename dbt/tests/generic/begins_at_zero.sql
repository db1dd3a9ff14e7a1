{#- The least value in each group is zero: bands that begin later would lose people. -#}
{% test begins_at_zero(model, column_name, group_by) %}
    select {{ group_by }}
    from {{ model }}
    group by {{ group_by }}
    having min({{ column_name }}) <> 0
{% endtest %}
