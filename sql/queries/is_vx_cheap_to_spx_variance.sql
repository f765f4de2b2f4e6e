-- grain: one row per VX expiration of the newest session with a variance triangle
select
    session_date,
    expiration,
    days_to_expiry,
    vx,
    100 * sqrt(spx_forward_variance) as forward_vol_points,
    gap_vol_points,
    convexity,
    bracket_days,
    clock_gap_minutes,
from feature.variance_triangle
where
    session_date = (select max(session_date) from feature.variance_triangle)
    and spx_forward_variance is not null
order by expiration
