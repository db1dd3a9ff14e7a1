{#-
    After how many days without a purchase a stage begins, at a purchase that ends a run of
    purchase days. Needs the columns that customer_lifecycle_history reads from lifecycle_thresholds.

    days >= factor * mean is days >= ceil(factor * span / gaps) for whole days. The quotient of a
    decimal of two places and a whole number is whole only where a double holds it exactly.
-#}
{% macro lifecycle_days(stage, first_purchase_on, purchased_on, purchase_days) -%}
    case
        when {{ purchase_days }} >= {{ [var("lifecycle_rhythm_purchase_days"), 2] | max }}
            then
                least(
                    greatest(
                        ceil(
                            cast(
                                {{ stage }}_factor
                                * {{ days_between(first_purchase_on, purchased_on) }} as double
                            )
                            / ({{ purchase_days }} - 1)
                        ),
                        {{ stage }}_days_from
                    ),
                    {{ stage }}_days_to
                )
        else {{ stage }}_days_without_rhythm
    end
{%- endmacro %}

{#- Whether a ratio lies in a band of order_size_bands; what is brought back whole is in the first. -#}
{% macro in_band(ratio, band) -%}
    ({{ ratio }} >= {{ band }}.ratio_from or ({{ ratio }} < 0 and {{ band }}.ratio_from = 0))
    and ({{ ratio }} < {{ band }}.ratio_below or {{ band }}.ratio_below is null)
{%- endmacro %}

{#- An address or an account of one's own makes a subscriber; a cookie or a device doesn't. -#}
{% macro makes_reachable() -%}
    identifier_type in ('email', 'phone', 'user_id', 'loyalty_id', 'erp_customer_id')
    and not is_demoted
{%- endmacro %}
