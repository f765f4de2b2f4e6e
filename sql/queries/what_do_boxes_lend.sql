-- grain: one row per slice of the newest night with a box, by tenor; rates in percent a year, continuously compounded
select
    session_date,
    root,
    expiration,
    365 * time_to_expiry as days_to_expiry,
    100 * lending_rate as lending,
    100 * borrowing_rate as borrowing,
    100 * treasury_rate as treasury,
    100 * loan_rate as loan,
    1e4 * mid_less_treasury as basis_points_above_treasury,
    is_unusual,
from feature.box_curve
where session_date = (select max(session_date) from mart.signal_daily)
order by
    time_to_expiry,
    root
