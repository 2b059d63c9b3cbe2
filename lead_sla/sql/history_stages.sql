-- One row per stage that ran in one of the last runs, in the order of the newest of them: its time in the last run that had
-- it, and the median of up to $compared runs before. Stages that failed, were skipped or reused took no comparable time, and
-- are in no median.
with runs as (
    select
        run_id,
        started_at as run_started_at
    from history
    where kind = 'run'
),

stages as (
    select
        history.name,
        history.status,
        history.seconds,
        history.started_at,
        runs.run_started_at,
        row_number() over (partition by history.name order by runs.run_started_at desc) as place
    from history
    inner join runs on history.run_id = runs.run_id
    where
        history.kind = 'stage'
        and history.status in ('done', 'warned', 'failed', 'died')
),

shown as (
    select run_started_at
    from runs
    order by run_started_at desc
    limit $limit
),

last_runs as (
    select
        name,
        status,
        seconds,
        started_at,
        run_started_at
    from stages
    where
        place = 1
        and run_started_at >= (select min(shown.run_started_at) from shown)
),

before as (
    select
        name,
        median(seconds) as usual_seconds,
        count(seconds) as runs
    from stages
    where
        place between 2 and $compared + 1
        and status in ('done', 'warned')
    group by name
)

select
    last_runs.name,
    last_runs.status,
    last_runs.seconds,
    before.usual_seconds,
    coalesce(before.runs, 0) as runs,
    last_runs.run_started_at
from last_runs
left join before on last_runs.name = before.name
order by last_runs.run_started_at desc, last_runs.started_at asc, last_runs.name asc
