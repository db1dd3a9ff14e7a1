{#- The sum of a member's rows up to a day: days follow one another without a gap. -#}
{% macro running(measure, days_from="unbounded", days_to=0) -%}
    coalesce(
        sum({{ measure }}) over (
            partition by dimension, member order by day
            rows between {{ days_from }} preceding
            and {% if days_to %}{{ days_to }} preceding{% else %}current row{% endif %}
        ),
        0
    )
{%- endmacro %}

{#- Null where the whole is nothing. -#}
{% macro share(part, whole) -%}
    cast({{ part }} as double) / nullif({{ whole }}, 0)
{%- endmacro %}
