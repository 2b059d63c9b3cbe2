-- One row per stage, model, test and check of a run, in the order in which they began.
select
    kind,
    stage,
    name,
    status,
    message,
    rows,
    failures,
    seconds,
    started_at
from history
where
    run_id = $run_id
    and kind <> 'run'
order by started_at asc, kind asc, name asc
