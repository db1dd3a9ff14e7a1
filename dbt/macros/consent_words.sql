{#-
    What customers or members said to each channel; one row a record × channel with a word. A later
    version with an empty flag is no word: it neither grants nor takes back.
-#}
{% macro consent_words(versions, key, said_at) %}
{%- set channels = ["email", "sms", "whatsapp", "viber"] -%}

flags as (
    {%- for channel in channels %}
    select
        {{ key }},
        '{{ channel }}' as channel,
        {{ channel }}_marketing as is_granted,
        {{ said_at }} as decided_at,
        _loaded_at,
        _landed_file,
        _line
    from {{ versions }}
    where {{ channel }}_marketing is not null and {{ said_at }} <= {{ as_of() }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

words as (
    select
        *,
        row_number() over (
            partition by {{ key }}, channel
            order by decided_at desc, is_granted asc, {{ newest_first() }}
        ) as word_rank
    from flags
)
{%- endmacro %}
