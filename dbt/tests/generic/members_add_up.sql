{#-
    On each day the members of each dimension together are what the row of `all` says, in columns that
    can be summed; days before those of the members aside.
-#}
{% test members_add_up(model, columns) %}
    with everybody as (
        select * from {{ model }}
        where
            dimension = 'all'
            and day >= (select min(day) from {{ model }} where dimension <> 'all')
    ),

    summed as (
        select
            day,
            dimension,
            {%- for column in columns %}
            sum({{ column }}) as {{ column }}{{ "," if not loop.last }}
            {%- endfor %}
        from {{ model }}
        where dimension <> 'all'
        group by day, dimension
    )

    select
        everybody.day,
        split.dimension
    from everybody
    cross join (select distinct dimension from summed) as split
    left join summed
        on everybody.day = summed.day and split.dimension = summed.dimension
    where
        {%- for column in columns %}
        coalesce(summed.{{ column }}, 0) <> coalesce(everybody.{{ column }}, 0)
        {{- " or" if not loop.last }}
        {%- endfor %}
{% endtest %}
