{#-
    After how many days without a purchase a stage begins, at a purchase that ends a run of
    purchase days. Needs the columns that lifecycle_periods reads from lifecycle_thresholds.

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
