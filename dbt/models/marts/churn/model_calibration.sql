with calibration as (
    select
        seen_on,
        horizon_days,
        model,
        decile,
        customers,
        predicted_share,
        returned_share
    from {{ source("prediction", "calibration") }}
)

select * from calibration
