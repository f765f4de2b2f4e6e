-- grain: one row per session of the newest 60 with VVIX
select
    session_date,
    vvix,
    percentile_252d,
    threshold_30,
    sessions_below_30,
from feature.vol_of_vol_daily
order by session_date desc
limit 60
