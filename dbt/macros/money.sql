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
    What the lines of an order come to after every discount. The sum of the lines, less a discount on
    the whole order where the amount charged (total less shipping) shows that it isn't in them yet;
    the amount charged where there are no lines, or where a price that was rounded is all the
    difference.
-#}
{% macro lines_after_discount(listed, extra_discount, charged) -%}
    case
        when {{ listed }} is null then {{ charged }}
        when abs({{ charged }} - {{ listed }}) < {{ var("rounding_difference") }} then {{ charged }}
        when
            abs({{ charged }} - ({{ listed }} - {{ extra_discount }}))
            < abs({{ charged }} - {{ listed }})
            then {{ listed }} - {{ extra_discount }}
        else {{ listed }}
    end
{%- endmacro %}
