-- grain: one row per table and rule of quarantine, with the file that held most of them
with counted as (
    select
        rejected.table_name,
        rejected.rule,
        landed.name,
        count(*) as n_rows,
    from quarantine.rejected_row as rejected
    join core.landed_file as landed on landed.sha256 = rejected.source_sha256
    group by
        rejected.table_name,
        rejected.rule,
        landed.name
)

select
    table_name,
    rule,
    sum(n_rows) as n_rows,
    count(*) as n_files,
    arg_max(name, n_rows) as worst_file,
from counted
group by
    table_name,
    rule
order by n_rows desc
