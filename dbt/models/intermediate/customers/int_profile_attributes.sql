with attributes as (
    select * from {{ ref("int_attributes") }}
),

profiles as (
    select
        profile_id,
        {%- for attribute in ["given_name", "family_name", "country", "email", "phone"] %}
            max(case when attribute = '{{ attribute }}' then value end) as {{ attribute }},
        {%- endfor %}
        max(case when attribute = 'birth_date' then cast(value as date) end) as birth_date,
        max(case when attribute = 'address' then city end) as city,
        max(case when attribute = 'address' then postal_code end) as postal_code
    from attributes
    group by profile_id
)

select * from profiles
