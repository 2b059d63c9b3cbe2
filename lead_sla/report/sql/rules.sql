-- One row per rule with an obligation in the scope: what was due in the 7 days that end with the last one and in the 7 before,
-- and what is open and at risk now.
with due as (
    select
        rule_id,
        coalesce(sum(met) filter (where date_day > $as_of_date - 7), 0) as week_met,
        coalesce(sum(due) filter (where date_day > $as_of_date - 7), 0) as week_due,
        coalesce(sum(met) filter (where date_day <= $as_of_date - 7), 0) as before_met,
        coalesce(sum(due) filter (where date_day <= $as_of_date - 7), 0) as before_due
    from marts.fct_sales_sla_daily
    where
        date_day <= $as_of_date
        and date_day > $as_of_date - 14
        and ($reps is null or rep_id in (select unnest(cast($reps as varchar[]))))
    group by rule_id
),

statuses as (
    select
        rule_id,
        count(*) filter (where status = 'violating') as on_the_list,
        count(*) filter (where status = 'at_risk') as at_risk
    from marts.fct_sales_sla_obligations
    where $reps is null or responsible_rep_id in (select unnest(cast($reps as varchar[])))
    group by rule_id
),

-- A rule has its name only where something of it is open: anywhere in the company.
names as (
    select rule_id, arg_max(rule_name, due_at) as rule_name
    from (
        select rule_id, rule_name, due_at from marts.do_not_be_on_it
        union all
        select rule_id, rule_name, due_at from marts.due_soon
    )
    group by rule_id
)

select
    statuses.rule_id,
    coalesce(names.rule_name, statuses.rule_id) as rule_name,
    coalesce(due.week_met, 0) as week_met,
    coalesce(due.week_due, 0) as week_due,
    coalesce(due.before_met, 0) as before_met,
    coalesce(due.before_due, 0) as before_due,
    statuses.on_the_list,
    statuses.at_risk
from statuses
left join due on statuses.rule_id = due.rule_id
left join names on statuses.rule_id = names.rule_id
order by statuses.rule_id
