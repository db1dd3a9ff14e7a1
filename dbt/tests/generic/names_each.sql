{#- Each of the values has a row. -#}
{% test names_each(model, column_name, values) %}
    {%- for value in values %}
    select '{{ value }}' as missing
    where not exists (select 1 from {{ model }} where {{ column_name }} = '{{ value }}')
    {{ "union all" if not loop.last }}
    {%- endfor %}
{% endtest %}
