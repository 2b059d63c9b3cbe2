-- Grain: one row per touch in the history of a lead (lead_number, activity_id). Not additive over merged leads.
-- `touch_number` runs from 1 in the order of time and activity.

with activities as (
    select * from {{ ref('int_leads__activities') }}
),

activity_types as (
    select * from {{ ref('activity_types') }}
)

select
    activities.lead_number,
    activities.activity_id,
    activity_types.touch_channel,
    activities.actor_id,
    row_number() over (
        partition by activities.lead_number
        order by activities.occurred_at, activities.activity_id
    ) as touch_number,
    activities.is_contact,
    activities.occurred_at
from activities
inner join activity_types
    on activities.activity_type = activity_types.activity_type
where activities.is_touch
