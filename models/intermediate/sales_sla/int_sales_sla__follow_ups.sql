-- Grain: one row per candidate (lead_id, rule_id, candidate_number), with how its touches went, up to the lead's
-- cancellation.

with candidates as (
    select * from {{ ref('int_sales_sla__candidates') }}
),

touches as (
    select * from {{ ref('int_sales_sla__touches') }}
),

channel_touches as (
    select * from {{ ref('int_sales_sla__touches') }}
),

rules as (
    select * from {{ ref('sales_sla_rules') }}
),

-- Numbers run from 1 in each scope, so that the n-th touch after an instant is a lookup.
scoped_touches as (
    select
        touches.lead_id,
        'any' as touch_scope,
        touches.activity_id,
        touches.touch_number as scope_number,
        touches.occurred_at
    from touches
    union all
    select
        channel_touches.lead_id,
        channel_touches.touch_channel as touch_scope,
        channel_touches.activity_id,
        row_number() over (
            partition by channel_touches.lead_id, channel_touches.touch_channel
            order by channel_touches.touch_number
        ) as scope_number,
        channel_touches.occurred_at
    from channel_touches
    where channel_touches.touch_channel in (select rules.touch_channel from rules)
),

followed_touches as (
    select
        candidates.lead_id,
        candidates.rule_id,
        candidates.candidate_number,
        candidates.due_at,
        scoped_touches.scope_number,
        scoped_touches.occurred_at
    from candidates
    inner join scoped_touches
        on
            candidates.lead_id = scoped_touches.lead_id
            and candidates.touch_scope = scoped_touches.touch_scope
            and candidates.triggered_at <= scoped_touches.occurred_at
            and (candidates.cancelled_at is null or candidates.cancelled_at >= scoped_touches.occurred_at)
),

counted as (
    select
        lead_id,
        rule_id,
        candidate_number,
        min(scope_number) as first_scope_number,
        count(case when occurred_at <= due_at then 1 end) as touches_by_due,
        count(*) as touches_total
    from followed_touches
    group by lead_id, rule_id, candidate_number
),

-- A lead without any touch has its row all the same: it is the worst offender.
followed as (
    select
        candidates.lead_id,
        candidates.rule_id,
        candidates.candidate_number,
        candidates.touch_scope,
        candidates.triggered_at,
        candidates.due_at,
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
    satisfying_touches.activity_id as satisfying_activity_id,
    followed.candidate_number,
    followed.touches_by_due,
    followed.touches_total,
    followed.triggered_at,
    followed.due_at,
    satisfying_touches.occurred_at as satisfied_at
from followed
left join scoped_touches as satisfying_touches
    on
        followed.lead_id = satisfying_touches.lead_id
        and followed.touch_scope = satisfying_touches.touch_scope
        and followed.satisfying_number = satisfying_touches.scope_number
