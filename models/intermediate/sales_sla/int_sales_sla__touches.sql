-- Grain: one row per touch in the history of a lead (lead_id, activity_id). Not additive over merged leads.
-- `touch_number` runs from 1 in the order of time and activity.

with activities as (
    select * from {{ ref('int_leads__activities') }}
)

select
    activities.lead_id,
    activities.activity_id,
    activities.touch_channel,
    activities.actor_id,
    row_number() over (
        partition by activities.lead_id
        order by activities.occurred_at, activities.activity_id
    ) as touch_number,
    activities.is_contact,
    activities.occurred_at
from activities
where activities.is_touch
