{#-
    The key of one combination of identifiers in one source, null where there is none. Records that
    carry the same identifiers share it, so identity looks at each combination once.
    Identifiers are keyword arguments by their type: `signal_id("'pos'", loyalty_id="loyalty_id")`.
    `period` is a text, or null, that keeps apart what one combination says at different times: a
    phone number may have been passed on in between.
-#}
{% macro signal_id(source, period=none) -%}
    {%- set types = [
        "anonymous_id", "user_id", "previous_id", "device_id", "email", "phone", "loyalty_id",
        "erp_customer_id", "payment_card", "tax_id",
    ] -%}
    {%- set parts = [] -%}
    {%- set present = [] -%}
    {%- for type in types -%}
        {%- if type in kwargs -%}
            {%- do present.append(kwargs[type]) -%}
            {%- do parts.append("coalesce(" ~ kwargs[type] ~ ", '')") -%}
        {%- else -%}
            {%- do parts.append("''") -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if period is not none -%}
        {%- do parts.append(period) -%}
    {%- endif -%}
    case
        when coalesce({{ present | join(", ") }}, null) is not null
            then md5(concat_ws(chr(31), {{ source }}, {{ parts | join(", ") }}))
    end
{%- endmacro %}
