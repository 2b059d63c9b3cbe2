-- Every trigger that a rule in force binds, before the lead's cancellation, opened an obligation or came while one was
-- running. An obligation that is missing shows in no rate and on no list.

with triggers as (
    select * from {{ ref('int_sales_sla__triggers') }}
),

rules as (
    select * from {{ ref('sales_sla_rules') }}
),

personas as (
    select * from {{ ref('int_leads__personas') }}
),

run_leads as (
    select * from {{ ref('int_leads__leads') }}
),

leads as (
    select * from {{ ref('dim_leads') }}
),

obligations as (
    select * from {{ ref('fct_sales_sla_obligations') }}
),

bound as (
    select
        leads.lead_id,
        rules.rule_id,
        triggers.triggered_at,
        triggers.trigger_activity_id
    from triggers
    inner join rules
        on
            triggers.{{ column_named('trigger') }} = rules.{{ column_named('trigger') }}
            and {{ in_force('rules', local_date('triggers.triggered_at')) }}
    inner join personas
        on
            triggers.lead_number = personas.lead_number
            and {{ holds_at('personas', 'triggers.triggered_at') }}
            and (rules.persona is null or personas.persona = rules.persona)
    inner join run_leads
        on triggers.lead_number = run_leads.lead_number
    inner join leads
        on run_leads.lead_id = leads.lead_id
    where leads.cancelled_at is null or triggers.triggered_at < leads.cancelled_at
),

answered as (
    select
        bound.lead_id,
        bound.rule_id,
        bound.triggered_at,
        bound.trigger_activity_id,
        count(obligations.obligation_id) as obligations
    from bound
    left join obligations
        on
            bound.lead_id = obligations.lead_id
            and bound.rule_id = obligations.rule_id
            and (
                (
                    bound.triggered_at = obligations.triggered_at
                    and bound.trigger_activity_id is not distinct from obligations.trigger_activity_id
                )
                or (
                    bound.triggered_at >= obligations.triggered_at
                    and bound.triggered_at < obligations.due_at
                    and (obligations.satisfied_at is null or bound.triggered_at < obligations.satisfied_at)
                )
            )
    group by bound.lead_id, bound.rule_id, bound.triggered_at, bound.trigger_activity_id
)

select
    {{ sentence(
        "lead {lead_id}: {rule_id} was triggered at {triggered_at} (activity {trigger_activity_id}), and fct_sales_sla_obligations has no "
        ~ "obligation that it opened or met running. Look at int_sales_sla__candidates and int_sales_sla__not_opened."
    ) }} as problem
from answered
where obligations = 0
