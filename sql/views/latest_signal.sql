-- grain: one row, the newest published night
select
    session_date,
    data_status,
    missing_inputs,
    spx,
    vix,
    vvix,
    vx1,
    vx2,
    contango_ratio,
    basis_ratio,
    constant_maturity_30d,
    constant_maturity_60d,
    days_to_roll,
    vx_front_rsi,
    vx_front_state,
    breadth_state,
    curve_state,
    vvix_percentile_252d,
    vx_half_life,
    n_spx_quotes,
    n_vix_quotes,
    missing_reason
from mart.signal_daily
qualify row_number() over (order by session_date desc) = 1
