with rates as (
    select
        currency,
        units_per_eur,
        -- The oldest known rate also stands for what was sold before it.
        case
            when row_number() over (partition by currency order by valid_from) = 1
                then date '0001-01-01'
            else valid_from
        end as valid_from,
        coalesce(
            lead(valid_from) over (partition by currency order by valid_from), date '9999-12-31'
        ) as valid_to
    from {{ ref("currency_rates") }}
),

reporting as (
    select * from rates
    where currency = {{ reporting_currency() }}
),

crossed as (
    select
        rates.currency,
        greatest(rates.valid_from, reporting.valid_from) as valid_from,
        least(rates.valid_to, reporting.valid_to) as valid_to,
        cast(reporting.units_per_eur / rates.units_per_eur as decimal(18, 10)) as reporting_rate
    from rates
    inner join reporting
        on rates.valid_from < reporting.valid_to and rates.valid_to > reporting.valid_from
),

-- What is in the reporting currency already needs no rate, also where the seed has none.
unconverted as (
    select
        {{ reporting_currency() }} as currency,
        date '0001-01-01' as valid_from,
        date '9999-12-31' as valid_to,
        cast(1 as decimal(18, 10)) as reporting_rate
),

all_rates as (
    select * from crossed
    where currency <> {{ reporting_currency() }}
    union all
    select * from unconverted
)

select * from all_rates
