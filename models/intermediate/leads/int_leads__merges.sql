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

-- Every lead that a merged lead reaches by following merges, until the walk is back at its mark: in a cycle it comes
-- there after going once round, for the mark moves on at steps 1, 2, 4, 8 ... (A set would end by itself, but many
-- engines recurse over bags alone.)
reached as (
    select
        edges.lead_id,
        edges.merged_into_lead_id as reached_lead_id,
        edges.lead_id as mark_lead_id,
        1 as step,
        1 as next_mark
    from edges
    union all
    select
        reached.lead_id,
        edges.merged_into_lead_id as reached_lead_id,
        case when reached.step = reached.next_mark then reached.reached_lead_id else reached.mark_lead_id end
            as mark_lead_id,
        reached.step + 1 as step,
        case when reached.step = reached.next_mark then 2 * reached.next_mark else reached.next_mark end as next_mark
    from reached
    inner join edges
        on reached.reached_lead_id = edges.lead_id
    where reached.reached_lead_id <> reached.mark_lead_id
),

cycles as (
    select distinct lead_id from reached
    where lead_id = reached_lead_id
)

select
    edges.lead_id,
    edges.merged_into_lead_id,
    edges.merged_at
from edges
left join cycles
    on edges.lead_id = cycles.lead_id
where cycles.lead_id is null
