-- Grain: one row per responsible rep, rule and ISO week of the deadline (rep_id, rule_id, week_start_date), over the
-- obligations that are due.
-- Nothing but the counts is additive. An unsatisfied obligation counts its minutes so far: leaving leads unanswered
-- improves no median.

with obligations as (
    select * from {{ ref('fct_sales_sla_obligations') }}
),

due_obligations as (
    select
        obligations.responsible_rep_id as rep_id,
        obligations.rule_id,
        obligations.is_breached,
        obligations.response_minutes,
        {{ local_date('obligations.due_at') }} as due_date
    from obligations
    where
        obligations.due_at < {{ as_of() }}
        and (obligations.status = 'met' or obligations.is_breached)
),

by_week as (
    select
        due_obligations.*,
        cast(
            {{ dbt.dateadd('day', '1 - ' ~ iso_weekday('due_obligations.due_date'), 'due_obligations.due_date') }}
            as date
        ) as week_start_date
    from due_obligations
)

select
    week_start_date,
    rep_id,
    rule_id,
    count(*) as due,
    count(case when not is_breached then 1 end) as met,
    count(case when is_breached then 1 end) as breached,
    count(case when not is_breached then 1 end) / cast(count(*) as {{ type_double() }}) as attainment_rate,
    {{ percentile('response_minutes', 0.5, beside=[0.9]) }} as p50_response_minutes,
    {{ percentile('response_minutes', 0.9, beside=[0.5]) }} as p90_response_minutes
from by_week
group by week_start_date, rep_id, rule_id
