{#- No member is one of those rows of another table that the condition names. -#}
{% test excludes(model, column_name, to, condition) %}
    select {{ column_name }}
    from {{ model }}
    where {{ column_name }} in (select {{ column_name }} from {{ to }} where {{ condition }})
{% endtest %}
