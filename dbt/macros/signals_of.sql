{#-
    The records of one staged table by signal, as a select; `carried` maps the columns of
    stg_identity__signals that the table has to its own. Columns stand in the order of the result.
-#}
{% macro signals_of(relation, source, table, first_seen_at, carried, last_seen_at=none) -%}
{%- set texts = [
    "anonymous_id", "user_id", "previous_id", "device_id", "email", "phone", "loyalty_id",
    "erp_customer_id", "payment_card", "tax_id", "country", "given_name", "family_name",
    "street_address", "city", "postal_code",
] %}
    select
        signal_id,
        '{{ source }}' as source,
        '{{ table }}' as source_table,
        {%- for text in texts %}
        {%- if text in carried %}
        max({{ carried[text] }}) as {{ text }},
        {%- else %}
        cast(null as {{ type_text() }}) as {{ text }},
        {%- endif %}
        {%- endfor %}
        {%- if "birth_date" in carried %}
        max({{ carried["birth_date"] }}) as birth_date,
        {%- else %}
        cast(null as date) as birth_date,
        {%- endif %}
        min({{ first_seen_at }}) as first_seen_at,
        max({{ last_seen_at or first_seen_at }}) as last_seen_at,
        count(*) as record_count
    from {{ relation }}
    where signal_id is not null
    group by signal_id
{%- endmacro %}
