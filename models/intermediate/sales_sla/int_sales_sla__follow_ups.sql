-- Grain: one row per candidate (lead_id, rule_id, candidate_number): how its touches went, up to the lead's
-- cancellation.

with candidates as (
    select * from {{ ref('int_sales_sla__candidates') }}
),

touches as (
    select * from {{ ref('int_sales_sla__touches') }}
),

-- A lead without any touch has its row all the same: it is the worst offender.
counted as (
    select
        candidates.lead_id,
        candidates.rule_id,
        candidates.candidate_number,
        min(touches.touch_number) as first_touch_number,
        count(case when touches.occurred_at <= candidates.due_at then 1 end) as touches_by_due,
        count(touches.touch_number) as touches_total
    from candidates
    left join touches
        on
            candidates.lead_id = touches.lead_id
            and candidates.touch_scope = touches.touch_scope
            and candidates.triggered_at <= touches.occurred_at
            and (candidates.cancelled_at is null or candidates.cancelled_at >= touches.occurred_at)
    group by candidates.lead_id, candidates.rule_id, candidates.candidate_number
)

select
    candidates.lead_id,
    candidates.rule_id,
    candidates.candidate_number,
    counted.touches_by_due,
    counted.touches_total,
    satisfying_touches.activity_id as satisfying_activity_id,
    satisfying_touches.occurred_at as satisfied_at
from candidates
inner join counted
    on
        candidates.lead_id = counted.lead_id
        and candidates.rule_id = counted.rule_id
        and candidates.candidate_number = counted.candidate_number
left join touches as satisfying_touches
    on
        candidates.lead_id = satisfying_touches.lead_id
        and candidates.touch_scope = satisfying_touches.touch_scope
        and counted.first_touch_number + candidates.required_touches - 1 = satisfying_touches.touch_number
        and candidates.required_touches <= counted.touches_total
