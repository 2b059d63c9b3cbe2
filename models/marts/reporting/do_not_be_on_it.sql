-- Grain: one row per open violation (obligation_id): the "Do Not Be On It" list at `as_of`. Nobody's leads are on it as
-- `unassigned`.

with obligations as (
    select * from {{ ref('fct_sales_sla_obligations') }}
),

rules as (
    select * from {{ ref('sales_sla_rules') }}
),

reps as (
    select * from {{ ref('dim_reps') }}
),

leads as (
    select * from {{ ref('dim_leads') }}
)

select
    obligations.obligation_id,
    obligations.rule_id,
    rules.rule_name,
    obligations.lead_id,
    obligations.responsible_rep_id,
    coalesce(reps.full_name, obligations.responsible_rep_id) as rep_name,
    reps.team,
    leads.owner_id as current_owner_id,
    obligations.persona,
    leads.lead_source,
    obligations.required_touches,
    obligations.touches_total,
    obligations.late_minutes,
    {{ microseconds_between('obligations.due_at', as_of()) }}
    / {{ microseconds_a_minute() }} / 1440 as violation_age_days,
    obligations.triggered_at,
    obligations.due_at
from obligations
inner join rules
    on
        obligations.rule_id = rules.rule_id
        and obligations.rule_valid_from = rules.valid_from
left join reps
    on obligations.responsible_rep_id = reps.rep_id
left join leads
    on obligations.lead_id = leads.lead_id
where obligations.status = 'violating'
