-- One row per day, rep of the scope and rule: the 28 days that end with the one of `as_of`, the newest first.
select
    daily.date_day,
    coalesce(reps.full_name, daily.rep_id) as rep_name,
    daily.rep_id,
    reps.team,
    daily.rule_id,
    daily.triggered,
    daily.due,
    daily.met,
    daily.breached,
    daily.cancelled,
    daily.attainment_rate,
    daily.open_violations
from marts.fct_sales_sla_daily as daily
left join marts.dim_reps as reps on daily.rep_id = reps.rep_id
where
    daily.date_day <= $as_of_date
    and daily.date_day > $as_of_date - 28
    and ($reps is null or daily.rep_id in (select unnest(cast($reps as varchar[]))))
order by daily.date_day desc, rep_name, daily.rep_id, daily.rule_id
