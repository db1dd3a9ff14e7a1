{#- How many things a line sells: what is weighed or measured counts as one, what goes back as none. -#}
{% macro item_count(quantity) -%}
    case
        when {{ quantity }} <= 0 then 0
        when {{ quantity }} = floor({{ quantity }}) then {{ quantity }}
        else 1
    end
{%- endmacro %}

{#- An amount of money as every mart keeps it. -#}
{% macro money(amount) -%}
    cast({{ amount }} as decimal(18, 4))
{%- endmacro %}

{#-
    What comes off the sum of an order's lines, beyond what they show: some shops write a discount on
    the order on top of those on its lines, some repeat the sum of those, some spread it over the
    lines. What was charged (total less shipping) shows which: of the three the nearest.
-#}
{% macro discount_beyond_lines(listed, on_lines, on_order, charged) -%}
    {%- set on_top = "abs(" ~ charged ~ " - (" ~ listed ~ " - " ~ on_order ~ "))" -%}
    {%- set repeated = "abs(" ~ charged ~ " - (" ~ listed ~ " - (" ~ on_order ~ " - " ~ on_lines ~ ")))" -%}
    {%- set contained = "abs(" ~ charged ~ " - " ~ listed ~ ")" -%}
    case
        when {{ on_top }} < least({{ repeated }}, {{ contained }}) then {{ on_order }}
        when {{ on_order }} > {{ on_lines }} and {{ repeated }} < {{ contained }}
            then {{ on_order }} - {{ on_lines }}
        else 0
    end
{%- endmacro %}

{#-
    What the lines of an order come to after every discount: what was charged where there are no
    lines, or where no more than rounded prices lie between.
-#}
{% macro lines_after_discounts(listed, beyond_lines, charged) -%}
    case
        when {{ listed }} is null then coalesce({{ charged }}, 0)
        when
            abs({{ charged }} - ({{ listed }} - {{ beyond_lines }}))
            < {{ var("rounding_difference") }}
            then {{ charged }}
        else {{ listed }} - {{ beyond_lines }}
    end
{%- endmacro %}
