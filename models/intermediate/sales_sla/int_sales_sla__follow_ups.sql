-- Grain: one row per candidate (lead_id, rule_id, candidate_number), with how its touches went, up to the lead's
-- cancellation.

with candidates as (
    select * from {{ ref('int_sales_sla__candidates') }}
),

touches as (
    select * from {{ ref('int_sales_sla__touches') }}
),

satisfying_touches as (
    select * from {{ ref('int_sales_sla__touches') }}
),

scoped_touches as (
    select
        candidates.lead_id,
        candidates.rule_id,
        candidates.candidate_number,
        candidates.due_at,
        touches.occurred_at,
        case
            when candidates.touch_scope = 'any' then touches.touch_number
            else touches.channel_touch_number
        end as scope_number
    from candidates
    inner join touches
        on
            candidates.lead_id = touches.lead_id
            and candidates.triggered_at <= touches.occurred_at
            and (candidates.cancelled_at is null or candidates.cancelled_at >= touches.occurred_at)
    where candidates.touch_scope = 'any' or candidates.touch_scope = touches.touch_channel
),

counted as (
    select
        lead_id,
        rule_id,
        candidate_number,
        min(scope_number) as first_scope_number,
        count(case when occurred_at <= due_at then 1 end) as touches_by_due,
        count(*) as touches_total
    from scoped_touches
    group by lead_id, rule_id, candidate_number
),

-- A lead without any touch has its row all the same: it is the worst offender.
followed as (
    select
        candidates.*,
        coalesce(counted.touches_by_due, 0) as touches_by_due,
        coalesce(counted.touches_total, 0) as touches_total,
        case
            when counted.touches_total >= candidates.required_touches
                then counted.first_scope_number + candidates.required_touches - 1
        end as satisfying_number
    from candidates
    left join counted
        on
            candidates.lead_id = counted.lead_id
            and candidates.rule_id = counted.rule_id
            and candidates.candidate_number = counted.candidate_number
)

select
    followed.lead_id,
    followed.rule_id,
    followed.trigger_activity_id,
    satisfying_touches.activity_id as satisfying_activity_id,
    followed.persona,
    followed.clock,
    followed.calendar_id,
    followed.owner_at_trigger,
    followed.cancel_reason,
    followed.candidate_number,
    followed.required_touches,
    followed.touches_by_due,
    followed.touches_total,
    followed.warn_fraction,
    followed.triggered_position,
    followed.due_position,
    followed.rule_valid_from,
    followed.triggered_at,
    followed.due_at,
    satisfying_touches.occurred_at as satisfied_at,
    followed.cancelled_at
from followed
left join satisfying_touches
    on
        followed.lead_id = satisfying_touches.lead_id
        and (
            (followed.touch_scope = 'any' and followed.satisfying_number = satisfying_touches.touch_number)
            or (
                followed.touch_scope = satisfying_touches.touch_channel
                and followed.satisfying_number = satisfying_touches.channel_touch_number
            )
        )
