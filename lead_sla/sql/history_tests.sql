-- One row per test or check that did not pass in one of the last $limit runs that tested: how it stands now, since which run,
-- and its failures run by run, the oldest first (null where it could not run).
with runs as (
    select
        run_id,
        started_at as run_started_at
    from history
    where kind = 'run'
),

tests as (
    select
        run_id,
        name,
        status,
        message,
        failures,
        status not in ('pass', 'success') as is_bad
    from history
    where
        kind in ('test', 'check')
        and status not in ('skipped', 'no-op')
),

last_runs as (
    select
        run_id,
        run_started_at
    from runs
    where run_id in (select tests.run_id from tests)
    order by run_started_at desc
    limit $limit
),

recent as (
    select
        tests.name,
        list(
            case when tests.is_bad or tests.failures is not null then tests.failures else 0 end
            order by last_runs.run_started_at
        ) as failures
    from tests
    inner join last_runs on tests.run_id = last_runs.run_id
    group by tests.name
    having bool_or(tests.is_bad)
),

-- How long it has lasted is asked of the whole history, and only of these.
results as (
    select
        tests.name,
        tests.status,
        tests.message,
        tests.is_bad,
        runs.run_started_at,
        row_number() over (partition by tests.name order by runs.run_started_at desc) as place
    from tests
    inner join runs on tests.run_id = runs.run_id
    where tests.name in (select recent.name from recent)
),

latest as (
    select
        name,
        status,
        message,
        is_bad,
        run_started_at
    from results
    where place = 1
),

-- The last result of the other sort: what came after it is one streak.
turned as (
    select
        results.name,
        max(results.run_started_at) as run_started_at
    from results
    inner join latest on results.name = latest.name
    where results.is_bad <> latest.is_bad
    group by results.name
),

streaks as (
    select
        results.name,
        min(results.run_started_at) as since
    from results
    left join turned on results.name = turned.name
    where turned.run_started_at is null or results.run_started_at > turned.run_started_at
    group by results.name
)

select
    latest.name,
    latest.status,
    latest.message,
    latest.is_bad,
    latest.run_started_at = (select max(last_runs.run_started_at) from last_runs) as is_in_last_run,
    recent.failures,
    streaks.since
from latest
inner join recent on latest.name = recent.name
inner join streaks on latest.name = streaks.name
order by latest.is_bad desc, is_in_last_run desc, streaks.since desc, latest.name asc
