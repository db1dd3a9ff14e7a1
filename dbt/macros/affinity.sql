{#- Text in small letters, its words one blank apart and blanks around, to look for words in. -#}
{% macro words_of(text) -%}
    {{ return(adapter.dispatch("words_of")(text)) }}
{%- endmacro %}

{% macro default__words_of(text) -%}
    concat(' ', regexp_replace(lower({{ text }}), '[^\p{L}\p{M}]+', ' ', 'g'), ' ')
{%- endmacro %}

{% macro spark__words_of(text) -%}
    concat(' ', regexp_replace(lower({{ text }}), '[^\\p{L}\\p{M}]+', ' '), ' ')
{%- endmacro %}

{#- A cell of Dunning's log-likelihood ratio (1993): what is observed, against the chance of row and column. -#}
{% macro likelihood_cell(observed, in_row, in_column, total) -%}
    case
        when {{ observed }} > 0
            then {{ observed }} * ln(
                cast({{ observed }} as double) * {{ total }}
                / (cast({{ in_row }} as double) * {{ in_column }})
            )
        else 0
    end
{%- endmacro %}

{#- What a day so long ago still weighs, as a decimal: sums are the same in any order. -#}
{% macro decayed(days) -%}
    cast(power(0.5, greatest({{ days }}, 0) / cast({{ var("preference_half_life_days") }} as double)) as decimal(18, 9))
{%- endmacro %}

{#- People who denied personalization. -#}
{% macro not_personalized() -%}
    select distinct profile_id
    from {{ ref("int_consents") }}
    where purpose = 'personalization' and state = 'denied'
{%- endmacro %}
