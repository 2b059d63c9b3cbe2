-- Grain: one row per touch (activity_id) of a lead. Touches of merged leads stand under the survivor.

with activities as (
    select * from {{ ref('int_leads__activities') }}
),

leads as (
    select * from {{ ref('int_leads__leads') }}
)

select
    activities.activity_id,
    activities.lead_id,
    activities.actor_id as rep_id,
    activities.touch_channel,
    cast(row_number() over (
        partition by activities.lead_id
        order by activities.occurred_at, activities.activity_id
    ) as bigint) as touch_number,
    activities.is_contact as is_connected,
    activities.occurred_at,
    {{ local_date('activities.occurred_at') }} as occurred_date
from activities
inner join leads
    on activities.lead_id = leads.lead_id
where
    activities.is_touch
    and not leads.is_merged
