{#- The date so many days after (below zero: before) a date. -#}
{% macro days_after(day, count) -%}
    {{ return(adapter.dispatch("days_after")(day, count)) }}
{%- endmacro %}

{% macro default__days_after(day, count) -%}
    ({{ day }} + cast({{ count }} as integer))
{%- endmacro %}

{% macro spark__days_after(day, count) -%}
    date_add({{ day }}, cast({{ count }} as int))
{%- endmacro %}

{#- How many days lie between two dates: 0 on the same date. -#}
{% macro days_between(first_day, last_day) -%}
    {{ return(adapter.dispatch("days_between")(first_day, last_day)) }}
{%- endmacro %}

{% macro default__days_between(first_day, last_day) -%}
    ({{ last_day }} - {{ first_day }})
{%- endmacro %}

{% macro spark__days_between(first_day, last_day) -%}
    datediff({{ last_day }}, {{ first_day }})
{%- endmacro %}

{#- A select item that makes one row of each date from the first to the last, both included. -#}
{% macro each_day(first_day, last_day) -%}
    {{ return(adapter.dispatch("each_day")(first_day, last_day)) }}
{%- endmacro %}

{% macro default__each_day(first_day, last_day) -%}
    cast(unnest(generate_series({{ first_day }}, {{ last_day }}, interval 1 day)) as date)
{%- endmacro %}

{% macro spark__each_day(first_day, last_day) -%}
    explode(sequence({{ first_day }}, {{ last_day }}, interval 1 day))
{%- endmacro %}

{#- The same date so many years on; 29 February becomes the 28th in a year without one. -#}
{% macro years_after(day, count) -%}
    {{ return(adapter.dispatch("years_after")(day, count)) }}
{%- endmacro %}

{% macro default__years_after(day, count) -%}
    cast({{ day }} + to_years(cast({{ count }} as integer)) as date)
{%- endmacro %}

{% macro spark__years_after(day, count) -%}
    add_months({{ day }}, 12 * cast({{ count }} as int))
{%- endmacro %}

{#- The day of the week of a date, by ISO 8601: 1 is Monday, 7 Sunday. -#}
{% macro weekday(day) -%}
    {{ return(adapter.dispatch("weekday")(day)) }}
{%- endmacro %}

{% macro default__weekday(day) -%}
    isodow({{ day }})
{%- endmacro %}

{% macro spark__weekday(day) -%}
    weekday({{ day }}) + 1
{%- endmacro %}
