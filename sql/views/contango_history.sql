-- grain: one row per session with VX data; null contango says why beside it
select
    session_date,
    vx1,
    vx2,
    contango_ratio,
    basis_ratio,
    days_to_roll,
    missing_reason,
from feature.curve_daily
order by session_date
