-- grain: one row per session and engine, the newest first
select
    session_date,
    engine,
    pnl,
    pnl_delta,
    pnl_gamma,
    pnl_vega,
    pnl_theta,
    pnl_slippage,
    pnl_residual,
    pnl_fees,
    pnl_interest,
    equity,
    margin,
from mart.engine_daily
order by session_date desc, engine
