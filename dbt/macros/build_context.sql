{#-
    What one build knows about itself: the one row of meta.build, written when a run starts.
    Not dbt vars: a changed var makes dbt parse the whole project again. Unit tests override them.
-#}

{#- The logical now, a timestamp with time zone. -#}
{% macro as_of() -%}
    (select as_of from meta.build)
{%- endmacro %}

{#- IANA name of the zone in which days without a store begin and end. -#}
{% macro business_timezone() -%}
    (select business_timezone from meta.build)
{%- endmacro %}

{#- ISO 4217 code of the currency that amounts are compared in. -#}
{% macro reporting_currency() -%}
    (select reporting_currency from meta.build)
{%- endmacro %}

{#- The local date of as_of. -#}
{% macro today() -%}
    {{ local_date(as_of(), business_timezone()) }}
{%- endmacro %}
