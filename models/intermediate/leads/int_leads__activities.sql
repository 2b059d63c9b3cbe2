-- Grain: one row per lead and activity of its history (lead_id, activity_id). An activity of a merged lead is in the
-- history of every lead that its record belongs to, so rows are not additive over leads; over unmerged leads each
-- activity counts once.

with activities as (
    select * from {{ ref('stg_crm__activities') }}
),

activity_types as (
    select * from {{ ref('activity_types') }}
),

journey_stages as (
    select * from {{ ref('journey_stages') }}
),

holders as (
    select * from {{ ref('int_leads__holders') }}
),

-- What an activity means; a type that the agreement does not know is a `system` one.
typed as (
    select
        activities.activity_id,
        activities.lead_id as record_lead_id,
        activities.activity_type,
        activities.actor_id,
        activities.occurred_at,
        coalesce(activity_types.category, 'system') as category,
        activity_types.journey_stage,
        journey_stages.stage_rank,
        activity_types.touch_channel,
        coalesce(activity_types.category = 'touch', false) and not activities.is_automated as is_touch,
        activities.outcome
    from activities
    left join activity_types
        on activities.activity_type = activity_types.activity_type
    left join journey_stages
        on activity_types.journey_stage = journey_stages.journey_stage
)

select
    holders.lead_id,
    typed.activity_id,
    typed.record_lead_id,
    typed.activity_type,
    typed.category,
    typed.journey_stage,
    typed.touch_channel,
    typed.actor_id,
    typed.stage_rank,
    typed.is_touch,
    -- Contact is two-way: the lead answered.
    typed.category = 'reply' or (typed.is_touch and coalesce(typed.outcome = 'connected', false)) as is_contact,
    -- Whether this lead, and no other, held the activity's record when it happened.
    (holders.held_from is null or holders.held_from <= typed.occurred_at)
    and (holders.held_until is null or holders.held_until > typed.occurred_at) as is_held,
    typed.occurred_at
from typed
inner join holders
    on typed.record_lead_id = holders.record_lead_id
where holders.history_until is null or typed.occurred_at < holders.history_until
