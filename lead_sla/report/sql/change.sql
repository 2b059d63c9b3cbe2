-- One row: how the list of the scope came from that of 24 hours before: before + newly - cured - closed = now.
-- A violation is open at T if it was due before T and neither satisfied nor cancelled at or before T.
with obligations as (
    select
        due_at,
        satisfied_at,
        cancelled_at,
        coalesce(satisfied_at, cancelled_at) as ended_at,
        $as_of as as_of,
        $as_of - interval 1 day as day_before
    from marts.fct_sales_sla_obligations
    where
        is_breached
        and ($reps is null or responsible_rep_id in (select unnest(cast($reps as varchar[]))))
)

select
    count(*) filter (where due_at < day_before and (ended_at is null or ended_at > day_before)) as before,
    count(*) filter (where due_at >= day_before) as newly,
    count(*) filter (where satisfied_at > day_before) as cured,
    count(*) filter (where cancelled_at > day_before) as closed,
    count(*) filter (where ended_at is null) as now
from obligations
