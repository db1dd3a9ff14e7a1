{#-
    A coordinate of a place, to 0.01 degrees (a kilometre at most), null where the two name no place:
    0, 0 is what devices say that don't know.
-#}
{% macro known_degrees(latitude, longitude, of) -%}
    {%- set north = try_cast(latitude, "decimal(5, 2)") -%}
    {%- set east = try_cast(longitude, "decimal(5, 2)") -%}
    case
        when {{ is_place(north, east) }} then {{ north if of == "latitude" else east }}
    end
{%- endmacro %}

{#- Whether two coordinates in degrees are those of a place on earth, and not what stands for none. -#}
{% macro is_place(latitude, longitude) -%}
    {{ latitude }} between -90 and 90
    and {{ longitude }} between -180 and 180
    and not ({{ latitude }} = 0 and {{ longitude }} = 0)
{%- endmacro %}

{#- Select items: the place as a point x, y, z of the unit sphere, which has neither date line nor poles. -#}
{% macro on_sphere(latitude, longitude) -%}
    cos(radians({{ latitude }})) * cos(radians({{ longitude }})) as x,
    cos(radians({{ latitude }})) * sin(radians({{ longitude }})) as y,
    sin(radians({{ latitude }})) as z
{%- endmacro %}

{#-
    Great-circle distance of two points of the unit sphere on an earth of mean radius (IUGG), to the
    metre. The haversine formula: the square root of the haversine of the angle is half the chord.
-#}
{% macro distance_km(one, other) -%}
    round(
        2 * 6371.0088 * asin(
            least(
                sqrt(
                    ({{ one }}.x - {{ other }}.x) * ({{ one }}.x - {{ other }}.x)
                    + ({{ one }}.y - {{ other }}.y) * ({{ one }}.y - {{ other }}.y)
                    + ({{ one }}.z - {{ other }}.z) * ({{ one }}.z - {{ other }}.z)
                ) / 2,
                1
            )
        ),
        3
    )
{%- endmacro %}
