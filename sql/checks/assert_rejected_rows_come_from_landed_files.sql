-- why: a quarantined row is worth something only beside the file it was read from
select
    rejected.source_sha256,
    count(*) as n_rows,
from quarantine.rejected_row as rejected
anti join core.landed_file as landed on landed.sha256 = rejected.source_sha256
group by rejected.source_sha256
