with backtest as (
    select
        seen_on,
        horizon_days,
        model,
        is_published,
        customers,
        returned_share,
        auc,
        calibration_error,
        chance_error,
        purchases_error,
        purchases_ratio,
        value_error,
        value_ratio
    from {{ source("prediction", "backtest") }}
)

select * from backtest
