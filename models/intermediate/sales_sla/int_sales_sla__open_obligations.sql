-- Grain: one row per obligation that is neither satisfied nor cancelled (obligation_id), of any lead.
-- What its mart says of it changes with the clock alone, so an increment derives it anew from here.

with obligations as (
    select * from {{ ref('int_sales_sla__obligations') }}
)

select
    obligation_id,
    lead_id,
    rule_id,
    trigger_activity_id,
    satisfying_activity_id,
    owner_at_trigger,
    owner_at_due,
    persona,
    clock,
    calendar_id,
    cancel_reason,
    required_touches,
    touches_by_due,
    touches_total,
    warn_fraction,
    triggered_position,
    due_position,
    ended_position,
    rule_valid_from,
    triggered_at,
    due_at,
    satisfied_at,
    cancelled_at
from obligations
where
    satisfied_at is null
    and cancelled_at is null
