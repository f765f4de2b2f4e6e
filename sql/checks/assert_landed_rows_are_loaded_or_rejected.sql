-- why: a row that is neither loaded nor in quarantine was lost without a trace
select
    sha256,
    name,
    n_rows,
    n_loaded,
    n_rejected,
from core.landed_file
where
    n_rows <> n_loaded + n_rejected
    or n_superseded > n_loaded
