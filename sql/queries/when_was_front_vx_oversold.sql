-- grain: one row per session on which RSI(14) of the front VX was below $threshold (default 30: pass threshold=30)
select
    momentum.session_date,
    momentum.rsi,
    curve.vx1,
    curve.vix,
    curve.contango_ratio,
from feature.momentum_daily as momentum
join feature.curve_daily as curve on curve.session_date = momentum.session_date
where
    momentum.series = 'vx_front'
    and momentum.rsi < cast($threshold as double)
order by momentum.session_date desc
