-- why: quotes of two instants in one chain break parity between them, so core holds one snapshot of a root and session
select
    session_date,
    root,
    count(distinct (source_sha256, quote_ts, snapshot_kind)) as n_snapshots,
from core.option_quote
group by
    session_date,
    root
having count(distinct (source_sha256, quote_ts, snapshot_kind)) > 1
