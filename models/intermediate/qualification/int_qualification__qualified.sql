-- Grain: one row per lead that is qualified (lead_number), merged leads included.
-- Only two kinds of instant can qualify a lead: it reaches a stage, or its persona changes. At each of them every stage
-- reached so far is looked up in the Buyer Matrix in force that day; the first instant that passes counts, and there
-- the highest stage.

with stages as (
    select * from {{ ref('int_qualification__stages') }}
),

personas as (
    select * from {{ ref('int_leads__personas') }}
),

persona_changes as (
    select * from {{ ref('int_leads__personas') }}
    where valid_from is not null
),

holders as (
    select * from {{ ref('int_leads__holders') }}
),

buyer_matrix as (
    select * from {{ ref('buyer_matrix') }}
),

instants as (
    select
        stages.lead_number,
        stages.reached_at as looked_at
    from stages
    union distinct
    select
        persona_changes.lead_number,
        persona_changes.valid_from as looked_at
    from persona_changes
),

-- The day is worked out once an instant: the matrix is looked up by day.
dated_instants as (
    select
        instants.lead_number,
        instants.looked_at,
        {{ local_date('instants.looked_at') }} as looked_date
    from instants
),

passes as (
    select
        dated_instants.lead_number,
        dated_instants.looked_at as qualified_at,
        dated_instants.looked_date as qualified_date,
        personas.persona,
        stages.journey_stage,
        stages.activity_id,
        stages.record_lead_number,
        buyer_matrix.valid_from as matrix_valid_from,
        row_number() over (
            partition by dated_instants.lead_number
            order by dated_instants.looked_at asc, stages.stage_rank desc
        ) as pass_rank
    from dated_instants
    inner join stages
        on
            dated_instants.lead_number = stages.lead_number
            and dated_instants.looked_at >= stages.reached_at
    inner join personas
        on
            dated_instants.lead_number = personas.lead_number
            and {{ holds_at('personas', 'dated_instants.looked_at') }}
    inner join buyer_matrix
        on
            personas.persona = buyer_matrix.persona
            and stages.journey_stage = buyer_matrix.journey_stage
            and {{ in_force('buyer_matrix', 'dated_instants.looked_date') }}
    where buyer_matrix.passes_to_sales
)

select
    passes.lead_number,
    passes.persona,
    passes.journey_stage,
    passes.activity_id,
    -- The record that held the proof at that instant is the one on which Sales got the lead.
    (holders.held_from is null or holders.held_from <= passes.qualified_at)
    and (holders.held_until is null or holders.held_until > passes.qualified_at) as is_held,
    passes.matrix_valid_from,
    passes.qualified_date,
    passes.qualified_at
from passes
inner join holders
    on
        coalesce(passes.record_lead_number, passes.lead_number) = holders.record_lead_number
        and passes.lead_number = holders.lead_number
where passes.pass_rank = 1
