-- One row per run, the newest first.
select
    name as run_id,
    status,
    message,
    rows,
    seconds,
    started_at,
    as_of
from history
where kind = 'run'
order by started_at desc, run_id desc
limit $limit
