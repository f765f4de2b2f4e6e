-- why: the scan rule acts on the ratio while readers check it against the two prices beside it
select
    session_date,
    vx1,
    vx2,
    contango_ratio,
from feature.curve_daily
where
    (contango_ratio is null) <> (vx1 is null or vx2 is null)
    or abs(contango_ratio - (vx2 / nullif(vx1, 0) - 1)) > 1e-12
