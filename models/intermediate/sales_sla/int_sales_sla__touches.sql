-- Grain: one row per touch and scope that it counts in (lead_id, touch_scope, touch_number): `any`, and its channel
-- where a rule asks for one. Not additive over scopes. Numbers run from 1 in the order of time and activity, so that
-- the n-th touch after an instant is a lookup.

with activities as (
    select * from {{ ref('int_leads__activities') }}
),

rules as (
    select * from {{ ref('sales_sla_rules') }}
),

scopes as (
    select distinct
        coalesce(rules.touch_channel, 'any') as touch_scope,
        rules.touch_channel
    from rules
)

select
    activities.lead_id,
    scopes.touch_scope,
    row_number() over (
        partition by activities.lead_id, scopes.touch_scope
        order by activities.occurred_at, activities.activity_id
    ) as touch_number,
    activities.activity_id,
    activities.occurred_at
from activities
inner join scopes
    on scopes.touch_channel is null or activities.touch_channel = scopes.touch_channel
where activities.is_touch
