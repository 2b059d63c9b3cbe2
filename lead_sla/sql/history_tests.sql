-- One row per test or check that did not pass in one of the last $limit runs that tested: how it stands now, since which run,
-- and its failures run by run, the oldest first (null where it could not run).
with runs as (
    select
        run_id,
        started_at as run_started_at
    from history
    where kind = 'run'
),

results as (
    select
        history.name,
        history.status,
        history.message,
        history.failures,
        runs.run_started_at,
        history.status not in ('pass', 'success') as is_bad,
        dense_rank() over (order by runs.run_started_at desc) as run_place,
        row_number() over (partition by history.name order by runs.run_started_at desc) as place
    from history
    inner join runs on history.run_id = runs.run_id
    where
        history.kind in ('test', 'check')
        and history.status not in ('skipped', 'no-op')
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
),

recent as (
    select
        name,
        list(case when is_bad or failures is not null then failures else 0 end order by run_started_at) as failures,
        bool_or(is_bad) as was_bad,
        max(run_started_at) as run_started_at
    from results
    where run_place <= $limit
    group by name
)

select
    latest.name,
    latest.status,
    latest.message,
    latest.is_bad,
    recent.failures,
    streaks.since
from latest
inner join recent on latest.name = recent.name
inner join streaks on latest.name = streaks.name
where recent.was_bad
order by latest.is_bad desc, streaks.since desc, latest.name asc
