-- Grain: one row per obligation (obligation_id): the facts of one promise of Sales. It holds no status and nothing that
-- changes with the clock alone: the mart derives that from `as_of` at each run.
-- Positions are microseconds on the rule's clock; `owner_at_due` is the owner of today while the deadline lies ahead.

with candidates as (
    select * from {{ ref('int_sales_sla__candidates') }}
),

follow_ups as (
    select * from {{ ref('int_sales_sla__follow_ups') }}
),

not_opened as (
    select * from {{ ref('int_sales_sla__not_opened') }}
),

owners as (
    select * from {{ ref('int_leads__owners') }}
),

leads as (
    select * from {{ ref('int_leads__leads') }}
),

spans as (
    select * from {{ ref('int_calendar__spans') }}
),

obligations as (
    select
        leads.lead_id,
        candidates.rule_id,
        candidates.rule_valid_from,
        candidates.trigger_activity_id,
        candidates.persona,
        candidates.required_touches,
        coalesce(follow_ups.touches_by_due, 0) as touches_by_due,
        coalesce(follow_ups.touches_total, 0) as touches_total,
        follow_ups.satisfying_activity_id,
        candidates.clock,
        candidates.calendar_id,
        candidates.warn_fraction,
        candidates.owner_at_trigger,
        owners_at_due.owner_id as owner_at_due,
        candidates.triggered_at,
        candidates.due_at,
        follow_ups.satisfied_at,
        -- Cancellation touches nothing that was satisfied before it.
        case when follow_ups.satisfied_at is null then candidates.cancelled_at end as cancelled_at,
        case when follow_ups.satisfied_at is null then candidates.cancel_reason end as cancel_reason,
        coalesce(follow_ups.satisfied_at, candidates.cancelled_at) as ended_at,
        candidates.triggered_position,
        candidates.due_position
    from candidates
    inner join leads
        on candidates.lead_number = leads.lead_number
    left join follow_ups
        on candidates.candidate_number = follow_ups.candidate_number
    left join not_opened
        on candidates.candidate_number = not_opened.candidate_number
    left join owners as owners_at_due
        on
            candidates.lead_number = owners_at_due.lead_number
            and {{ holds_at('owners_at_due', 'candidates.due_at') }}
    where not_opened.candidate_number is null
),

with_end as (
    {{ with_rule_position('obligations', 'ended_at', 'ended_position') }}
)

select
    {{ surrogate_key(['lead_id', 'rule_id', timestamp_text('triggered_at'), 'trigger_activity_id']) }} as obligation_id,
    lead_id,
    rule_id,
    trigger_activity_id,
    satisfying_activity_id,
    coalesce(owner_at_trigger, 'unassigned') as owner_at_trigger,
    coalesce(owner_at_due, 'unassigned') as owner_at_due,
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
from with_end
