-- Grain: one row per merge that counts (lead_id: the merged lead).
-- A merge needs its instant and a survivor that exists; the members of a cycle stay unmerged. `tests/integrity` reports
-- those left out.

with recursive records as (
    select * from {{ ref('int_leads__records') }}
),

edges as (
    select
        merged.lead_id,
        merged.merged_into_lead_id,
        merged.merged_at
    from records as merged
    inner join records as survivors
        on merged.merged_into_lead_id = survivors.lead_id
    where merged.merged_at is not null
),

-- Every lead that a merged lead reaches by following merges. A cycle ends where `path` holds the next one already.
reached as (
    select
        edges.lead_id,
        edges.merged_into_lead_id as reached_lead_id,
        '|' || edges.merged_into_lead_id || '|' as path
    from edges
    union all
    select
        reached.lead_id,
        edges.merged_into_lead_id as reached_lead_id,
        reached.path || edges.merged_into_lead_id || '|' as path
    from reached
    inner join edges
        on reached.reached_lead_id = edges.lead_id
    where {{ dbt.position("'|' || edges.merged_into_lead_id || '|'", 'reached.path') }} = 0
)

select
    edges.lead_id,
    edges.merged_into_lead_id,
    edges.merged_at
from edges
left join reached as cycles
    on edges.lead_id = cycles.lead_id and edges.lead_id = cycles.reached_lead_id
where cycles.lead_id is null
