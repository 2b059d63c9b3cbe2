-- One row per rule: what was due in the month so far and in the 28 days that end with the last one, and what is open now.
with due as (
    select
        rule_id,
        coalesce(sum(met) filter (where date_day >= date_trunc('month', $as_of_date)), 0) as month_met,
        coalesce(sum(due) filter (where date_day >= date_trunc('month', $as_of_date)), 0) as month_due,
        coalesce(sum(met) filter (where date_day > $as_of_date - 28), 0) as recent_met,
        coalesce(sum(due) filter (where date_day > $as_of_date - 28), 0) as recent_due
    from marts.fct_sales_sla_daily
    where date_day <= $as_of_date
    group by rule_id
),

statuses as (
    select
        rule_id,
        count(*) filter (where status = 'violating') as violating,
        count(*) filter (where status = 'at_risk') as at_risk
    from marts.fct_sales_sla_obligations
    group by rule_id
)

select rule_id, month_met, month_due, recent_met, recent_due, violating, at_risk
from statuses
left join due using (rule_id)
order by rule_id
