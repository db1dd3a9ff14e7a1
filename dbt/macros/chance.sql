{#-
    Whether a share of somebody's times is more than chance would bring among everybody's: Chernoff's
    bound, P(share of n >= s) <= exp(-n D(s, q)) with D the relative entropy of s and the usual share q
    (Chernoff 1952; Hoeffding 1963, theorem 1), times the number of places that were looked at
    (Bonferroni). It holds for times that weigh at most 1 each, n being their sum.
-#}
{% macro more_than_chance(total, share, usual_share, places) -%}
    {{ share }} > {{ usual_share }}
    and {{ total }} * (
        {{ share }} * ln({{ share }} / {{ usual_share }})
        + case
            when {{ share }} < 1
                then (1 - {{ share }}) * ln((1 - {{ share }}) / (1 - {{ usual_share }}))
            else 0
        end
    ) >= ln({{ places }} / {{ var("preference_chance_to") }})
{%- endmacro %}
