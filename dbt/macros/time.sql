{#- An instant, as a type: a timestamp that knows its zone. -#}
{% macro type_instant() -%}
    {{ return(adapter.dispatch("type_instant")()) }}
{%- endmacro %}

{% macro default__type_instant() -%}
    timestamptz
{%- endmacro %}

{% macro spark__type_instant() -%}
    timestamp
{%- endmacro %}

{#- A time on the wall, as a type: a timestamp without a zone. -#}
{% macro type_wall_time() -%}
    {{ return(adapter.dispatch("type_wall_time")()) }}
{%- endmacro %}

{% macro default__type_wall_time() -%}
    timestamp
{%- endmacro %}

{% macro spark__type_wall_time() -%}
    timestamp_ntz
{%- endmacro %}

{#- The wall-clock time (timestamp without zone) that an instant had in a time zone. -#}
{% macro local_time(instant, timezone) -%}
    {{ return(adapter.dispatch("local_time")(instant, timezone)) }}
{%- endmacro %}

{% macro default__local_time(instant, timezone) -%}
    timezone({{ timezone }}, {{ instant }})
{%- endmacro %}

{% macro spark__local_time(instant, timezone) -%}
    from_utc_timestamp({{ instant }}, {{ timezone }})
{%- endmacro %}

{#- The date that an instant had in a time zone. -#}
{% macro local_date(instant, timezone) -%}
    cast({{ local_time(instant, timezone) }} as date)
{%- endmacro %}

{#-
    The instant (timestamp with zone) at which a wall clock in a time zone showed a time. Of a time
    that it showed twice, when summer ended, the second, in standard time, as PostgreSQL has it too
    (Spark: the first): a till that means the first writes its offset. A time that it skipped, when
    summer began, is as long after the jump as it says: 03:30 is what the clock called 04:30.
-#}
{% macro instant_of(wall_time, timezone) -%}
    {{ return(adapter.dispatch("instant_of")(wall_time, timezone)) }}
{%- endmacro %}

{% macro default__instant_of(wall_time, timezone) -%}
    timezone({{ timezone }}, {{ wall_time }})
{%- endmacro %}

{% macro spark__instant_of(wall_time, timezone) -%}
    to_utc_timestamp({{ wall_time }}, {{ timezone }})
{%- endmacro %}

{#- The name of a time zone where the database knows it, else null: a typo in one store's row must not stop a build. -#}
{% macro known_timezone(name) -%}
    {{ return(adapter.dispatch("known_timezone")(name)) }}
{%- endmacro %}

{% macro default__known_timezone(name) -%}
    {{ name }}
{%- endmacro %}

{% macro duckdb__known_timezone(name) -%}
    case
        when {{ name }} in (select zone.name from pg_timezone_names() as zone)
            then {{ name }}
    end
{%- endmacro %}

{#- The instant that an ISO 8601 text means; without an offset it is in the given zone, else in the business's. -#}
{% macro store_instant(text, timezone) -%}
    case
        when {{ has_offset(text) }} then {{ try_cast(text, type_instant()) }}
        else
            {{ instant_of(
                try_cast(text, type_wall_time()), "coalesce(" ~ timezone ~ ", " ~ business_timezone() ~ ")"
            ) }}
    end
{%- endmacro %}
