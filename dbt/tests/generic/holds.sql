{#- Every row keeps the promise that the expression states; unknown is kept. -#}
{% test holds(model, expression) %}
    select *
    from {{ model }}
    where not coalesce({{ expression }}, true)
{% endtest %}
