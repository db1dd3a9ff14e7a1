{#- The expression is true of at most a share of the rows. -#}
{% test seldom(model, expression, share_at_most) %}
    select count(*) as row_count
    from {{ model }}
    having sum(case when {{ expression }} then 1 else 0 end) > {{ share_at_most }} * count(*)
{% endtest %}
