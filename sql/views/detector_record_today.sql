-- grain: one row per kind of finding, its record up to the newest session it has one
select
    session_date,
    kind,
    n_found,
    share_open_next,
    median_outcome,
    share_flagged,
from mart.detector_record
qualify row_number() over (partition by kind order by session_date desc) = 1
