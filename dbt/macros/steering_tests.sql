{#- Every row keeps the promise that the expression states; unknown is kept. -#}
{% test holds(model, expression) %}
    select *
    from {{ model }}
    where not coalesce({{ expression }}, true)
{% endtest %}

{#- No member is one of those rows of another table that the condition names. -#}
{% test excludes(model, column_name, to, condition) %}
    select model.{{ column_name }}
    from {{ model }} as model
    inner join {{ to }} as excluded on model.{{ column_name }} = excluded.{{ column_name }}
    where excluded.{{ condition }}
{% endtest %}

{#- The least value in each group is zero: bands that begin later would lose people. -#}
{% test begins_at_zero(model, column_name, group_by) %}
    select {{ group_by }}
    from {{ model }}
    group by {{ group_by }}
    having min({{ column_name }}) <> 0
{% endtest %}
