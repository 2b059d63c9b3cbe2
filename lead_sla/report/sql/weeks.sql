-- One row per rule and ISO week of the deadline with anything due in the scope: the last 12 weeks, of which the newest still runs.
select
    rule_id,
    cast(date_trunc('week', date_day) as date) as week_start_date,
    sum(met) as met,
    sum(due) as due
from marts.fct_sales_sla_daily
where
    date_day <= $as_of_date
    and date_day >= cast(date_trunc('week', $as_of_date) as date) - 77
    and ($reps is null or rep_id in (select unnest(cast($reps as varchar[]))))
group by rule_id, week_start_date
having sum(due) > 0
order by rule_id, week_start_date
