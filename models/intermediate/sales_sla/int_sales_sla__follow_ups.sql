-- Grain: one row per candidate that was followed up (candidate_number), with how its touches went, up to the lead's
-- cancellation. A candidate that nobody touched has no row.

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
        touches.lead_number,
        'any' as touch_scope,
        touches.activity_id,
        touches.touch_number as scope_number,
        touches.occurred_at
    from touches
    union all
    select
        channel_touches.lead_number,
        channel_touches.touch_channel as touch_scope,
        channel_touches.activity_id,
        row_number() over (
            partition by channel_touches.lead_number, channel_touches.touch_channel
            order by channel_touches.touch_number
        ) as scope_number,
        channel_touches.occurred_at
    from channel_touches
    where channel_touches.touch_channel in (select rules.touch_channel from rules)
),

counted as (
    select
        candidates.candidate_number,
        candidates.lead_number,
        candidates.touch_scope,
        min(candidates.required_touches) as required_touches,
        min(scoped_touches.scope_number) as first_number,
        count(case when scoped_touches.occurred_at <= candidates.due_at then 1 end) as touches_by_due,
        count(*) as touches_total
    from candidates
    inner join scoped_touches
        on
            candidates.lead_number = scoped_touches.lead_number
            and candidates.touch_scope = scoped_touches.touch_scope
            and candidates.triggered_at <= scoped_touches.occurred_at
            and (candidates.cancelled_at is null or candidates.cancelled_at >= scoped_touches.occurred_at)
    group by candidates.candidate_number, candidates.lead_number, candidates.touch_scope
)

select
    counted.candidate_number,
    satisfying_touches.activity_id as satisfying_activity_id,
    counted.touches_by_due,
    counted.touches_total,
    satisfying_touches.occurred_at as satisfied_at
from counted
left join scoped_touches as satisfying_touches
    on
        counted.lead_number = satisfying_touches.lead_number
        and counted.touch_scope = satisfying_touches.touch_scope
        and counted.first_number + counted.required_touches - 1 = satisfying_touches.scope_number
        and counted.required_touches <= counted.touches_total
