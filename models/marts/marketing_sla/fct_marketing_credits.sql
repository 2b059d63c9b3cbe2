-- Grain: one row per credit (credit_id): an activity of a qualified lead that raised what Marketing has earned for it.
-- `value_usd` is the increment, so it is additive over everything. Merged leads are counted in their survivors.

with valued_activities as (
    select * from {{ ref('int_marketing_sla__valued_activities') }}
),

leads as (
    select * from {{ ref('int_leads__leads') }}
),

best_so_far as (
    select
        valued_activities.*,
        row_number() over (
            partition by valued_activities.lead_number, valued_activities.is_so_far
            order by
                valued_activities.value_usd desc, valued_activities.occurred_at asc, valued_activities.activity_id asc
        ) as best_rank
    from valued_activities
),

-- On qualifying, the best activity so far counts alone; each later one earns what exceeds the credit so far.
increments as (
    select
        best_so_far.*,
        best_so_far.value_usd - coalesce(max(best_so_far.value_usd) over (
            partition by best_so_far.lead_number
            order by best_so_far.credited_at, best_so_far.occurred_at, best_so_far.activity_id
            rows between unbounded preceding and 1 preceding
        ), 0) as increment_usd
    from best_so_far
    where not best_so_far.is_so_far or best_so_far.best_rank = 1
)

select
    {{ surrogate_key(['leads.lead_id', 'increments.activity_id']) }} as credit_id,
    leads.lead_id,
    increments.persona,
    increments.journey_stage,
    increments.activity_id,
    leads.lead_source,
    cast(increments.increment_usd as decimal(18, 2)) as value_usd,
    increments.credited_date,
    increments.credited_at
from increments
inner join leads
    on increments.lead_number = leads.lead_number
where increments.increment_usd > 0
