-- grain: one row per session with a replicated VIX
select
    session_date,
    vix_replicated,
    vix_published,
    vix_gap,
    near_expiration,
    next_expiration,
    near_n_strikes + next_n_strikes as n_strikes,
    rate_source,
from feature.variance_daily
order by session_date desc
