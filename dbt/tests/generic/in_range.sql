{#- The value, where there is one, lies between two bounds, both included. -#}
{% test in_range(model, column_name, at_least, at_most) %}
    select *
    from {{ model }}
    where {{ column_name }} < {{ at_least }} or {{ column_name }} > {{ at_most }}
{% endtest %}
