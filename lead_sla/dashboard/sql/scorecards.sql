-- One row per rule and rep: what was due in the 28 days that end with the one of `as_of`, as `rep_scorecard` counts
-- it by weeks. Percentiles do not add up over weeks, so they are taken from the obligations themselves.
with due as (
    select
        rule_id,
        responsible_rep_id as rep_id,
        status = 'met' as is_met,
        response_minutes
    from marts.fct_sales_sla_obligations
    where
        status in ('met', 'late', 'closed', 'violating')
        and due_at < $as_of
        and cast(local_time(due_at) as date) > $as_of_date - 28
)

select
    due.rule_id,
    due.rep_id,
    coalesce(any_value(reps.full_name), due.rep_id) as rep_name,
    coalesce(any_value(reps.team), '') as team,
    count(*) as due,
    count(*) filter (where due.is_met) as met,
    quantile_cont(due.response_minutes, 0.5) as p50_response_minutes,
    quantile_cont(due.response_minutes, 0.9) as p90_response_minutes
from due
left join marts.dim_reps as reps on due.rep_id = reps.rep_id
group by due.rule_id, due.rep_id
order by due.rule_id, due desc, due.rep_id
