-- Grain: one row per obligation at risk (obligation_id): what comes onto the "Do Not Be On It" list next unless
-- somebody acts.
-- It has the columns of do_not_be_on_it, so that one page can show both; what only a violation has is null here.

with obligations as (
    select * from {{ ref('fct_sales_sla_obligations') }}
    where status = 'at_risk'
),

rules as (
    select * from {{ ref('sales_sla_rules') }}
),

reps as (
    select * from {{ ref('dim_reps') }}
),

-- Few are at risk: of all leads theirs alone are looked up.
leads as (
    select * from {{ ref('dim_leads') }}
    where lead_id in (select obligations.lead_id from obligations)
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
    cast(null as {{ type_double() }}) as violation_age_days,
    {{ microseconds_between(as_of(), 'obligations.due_at') }} / {{ microseconds_a_minute() }} as minutes_left,
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
