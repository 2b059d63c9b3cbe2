-- Grain: one row per touch (activity_id) of a lead. Touches of merged leads stand under the survivor.

with touches as (
    select * from {{ ref('int_sales_sla__touches') }}
),

leads as (
    select * from {{ ref('int_leads__leads') }}
)

select
    touches.activity_id,
    leads.lead_id,
    touches.actor_id as rep_id,
    touches.touch_channel,
    cast(touches.touch_number as bigint) as touch_number,
    touches.is_contact as is_connected,
    touches.occurred_at,
    {{ local_date('touches.occurred_at') }} as occurred_date
from touches
inner join leads
    on touches.lead_number = leads.lead_number
where not leads.is_merged
