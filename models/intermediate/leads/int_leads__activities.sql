-- Grain: one row per lead and activity of its history that counts for anything (lead_number, activity_id): a
-- conversion, a touch, an answer, the proof of a stage, or a trigger that a rule names. An activity of a merged lead is
-- in the history of every lead that its record belongs to, so rows are not additive over leads; over unmerged leads
-- each counts once.

with activities as (
    select * from {{ ref('stg_crm__activities') }}
),

activity_types as (
    select * from {{ ref('activity_types') }}
),

journey_stages as (
    select * from {{ ref('journey_stages') }}
),

rules as (
    select * from {{ ref('sales_sla_rules') }}
),

holders as (
    select * from {{ ref('int_leads__holders') }}
),

known_types as (
    select
        activity_types.activity_type,
        activity_types.category,
        activity_types.journey_stage,
        journey_stages.stage_rank
    from activity_types
    left join journey_stages
        on activity_types.journey_stage = journey_stages.journey_stage
),

named_types as (
    select known_types.activity_type
    from known_types
    where
        known_types.category in ('conversion', 'touch', 'reply')
        or known_types.journey_stage is not null
    union distinct
    select rules.{{ column_named('trigger') }} as activity_type
    from rules
),

-- A type that the agreement does not know is a `system` one.
counting_types as (
    select
        named_types.activity_type,
        coalesce(known_types.category, 'system') as category,
        known_types.stage_rank
    from named_types
    left join known_types
        on named_types.activity_type = known_types.activity_type
),

typed as (
    select
        activities.activity_id,
        activities.lead_id as record_lead_id,
        activities.activity_type,
        activities.actor_id,
        activities.occurred_at,
        counting_types.category,
        counting_types.stage_rank,
        counting_types.category = 'touch' and not activities.is_automated as is_touch,
        activities.outcome
    from activities
    inner join counting_types
        on activities.activity_type = counting_types.activity_type
)

select
    holders.lead_number,
    typed.activity_id,
    -- Nearly every activity is on the lead's own record: null costs nothing to keep.
    nullif(holders.record_lead_number, holders.lead_number) as record_lead_number,
    typed.activity_type,
    typed.actor_id,
    typed.stage_rank,
    typed.category = 'conversion' as is_conversion,
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
