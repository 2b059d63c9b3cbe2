-- Grain: one row per qualified lead (lead_id). Merged leads are counted in their survivors.
-- Persona and stage are those that passed at `qualified_at`; dim_leads has the ones of today.

with qualified as (
    select * from {{ ref('int_qualification__qualified') }}
),

leads as (
    select * from {{ ref('int_leads__leads') }}
)

select
    leads.lead_id,
    qualified.persona,
    qualified.journey_stage,
    qualified.activity_id,
    leads.lead_source,
    qualified.matrix_valid_from,
    qualified.qualified_date,
    qualified.qualified_at
from qualified
inner join leads
    on qualified.lead_number = leads.lead_number
where not leads.is_merged
