-- At no time do two obligations of one lead and rule run: the next one is triggered at or after the satisfaction or the
-- deadline of the one before.

with obligations as (
    select * from {{ ref('fct_sales_sla_obligations') }}
),

runs as (
    select
        obligations.obligation_id,
        obligations.lead_id,
        obligations.rule_id,
        obligations.triggered_at,
        obligations.trigger_activity_id,
        case
            when obligations.satisfied_at < obligations.due_at then obligations.satisfied_at
            else obligations.due_at
        end as ends_at
    from obligations
),

with_previous as (
    select
        runs.*,
        lag(runs.ends_at) over (
            partition by runs.lead_id, runs.rule_id
            order by runs.triggered_at, runs.trigger_activity_id
        ) as previous_ends_at
    from runs
)

select
    {{ sentence(
        "obligation {obligation_id} of lead {lead_id} ({rule_id}): it was triggered at {triggered_at}, while an earlier one ran until "
        ~ "{previous_ends_at}. Look at int_sales_sla__not_opened."
    ) }} as problem
from with_previous
where triggered_at < previous_ends_at
