-- Grain: one row per qualified lead and activity that has a stage and a value (lead_number, activity_id), merged leads
-- in their survivors.
-- Until the lead qualifies an activity is valued at that instant, later ones at their own: persona and value in force
-- then.

with leads as (
    select * from {{ ref('int_leads__leads') }}
    where not is_merged
),

qualified as (
    select * from {{ ref('int_qualification__qualified') }}
),

activities as (
    select * from {{ ref('int_leads__activities') }}
),

journey_stages as (
    select * from {{ ref('journey_stages') }}
),

personas as (
    select * from {{ ref('int_leads__personas') }}
),

values_of_types as (
    select * from {{ ref('lead_values') }}
    where activity_type is not null
),

values_of_stages as (
    select * from {{ ref('lead_values') }}
    where activity_type is null
),

credited as (
    select
        activities.lead_number,
        activities.activity_id,
        journey_stages.journey_stage,
        activities.activity_type,
        activities.occurred_at,
        activities.occurred_at <= qualified.qualified_at as is_so_far,
        greatest(activities.occurred_at, qualified.qualified_at) as credited_at
    from activities
    inner join qualified
        on activities.lead_number = qualified.lead_number
    inner join leads
        on activities.lead_number = leads.lead_number
    inner join journey_stages
        on activities.stage_rank = journey_stages.stage_rank
),

with_persona as (
    select
        credited.*,
        personas.persona,
        {{ local_date('credited.credited_at') }} as credited_date
    from credited
    inner join personas
        on
            credited.lead_number = personas.lead_number
            and {{ holds_at('personas', 'credited.credited_at') }}
),

-- The more specific row wins.
valued as (
    select
        with_persona.*,
        coalesce({{ lead_value_usd('values_of_types') }}, {{ lead_value_usd('values_of_stages') }}) as value_usd
    from with_persona
    left join values_of_types
        on
            with_persona.persona = values_of_types.persona
            and with_persona.journey_stage = values_of_types.journey_stage
            and with_persona.activity_type = values_of_types.activity_type
            and {{ in_force('values_of_types', 'with_persona.credited_date') }}
    left join values_of_stages
        on
            with_persona.persona = values_of_stages.persona
            and with_persona.journey_stage = values_of_stages.journey_stage
            and {{ in_force('values_of_stages', 'with_persona.credited_date') }}
)

select
    lead_number,
    activity_id,
    persona,
    journey_stage,
    value_usd,
    is_so_far,
    credited_date,
    credited_at,
    occurred_at
from valued
where value_usd is not null
