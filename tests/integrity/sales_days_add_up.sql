-- The days of the Sales SLA hold every obligation by the day of its trigger, and what became of it by the day of its
-- deadline.
{%- set measures = ['triggered', 'due', 'met', 'breached', 'cancelled'] %}

with obligations as (
    select * from {{ ref('fct_sales_sla_obligations') }}
),

expected as (
    select
        {{ local_date('obligations.triggered_at') }} as date_day,
        obligations.rule_id,
        obligations.responsible_rep_id as rep_id,
        1 as triggered,
        0 as due,
        0 as met,
        0 as breached,
        0 as cancelled
    from obligations
    union all
    select
        {{ local_date('obligations.due_at') }} as date_day,
        obligations.rule_id,
        obligations.responsible_rep_id as rep_id,
        0 as triggered,
        case when obligations.status = 'met' or obligations.is_breached then 1 else 0 end as due,
        case when obligations.status = 'met' then 1 else 0 end as met,
        case when obligations.is_breached then 1 else 0 end as breached,
        case when obligations.status = 'cancelled' then 1 else 0 end as cancelled
    from obligations
    where obligations.due_at < {{ as_of() }}
),

found as (
    select
        date_day,
        rule_id,
        rep_id,
        triggered,
        due,
        met,
        breached,
        cancelled
    from {{ ref('fct_sales_sla_daily') }}
),

differing as (
    {{ differences('expected', 'found', ['date_day', 'rule_id', 'rep_id'], measures) }}
)

select
    {{ sentence(
        "{rule_id} of {rep_id} on {date_day}: fct_sales_sla_daily has " ~ found_and_expected(measures) ~ " from fct_sales_sla_obligations. "
        ~ "Compare the two for that day."
    ) }} as problem
from differing
