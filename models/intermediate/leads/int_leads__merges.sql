-- Grain: one row per merge that counts (lead_number: the merged lead).
-- A merge needs its instant and a survivor that exists; the members of a cycle stay unmerged. `tests/integrity` reports
-- those left out.

with recursive records as (
    select * from {{ ref('int_leads__records') }}
),

edges as (
    select
        merged.lead_number,
        survivors.lead_number as merged_into_lead_number,
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
        edges.lead_number,
        edges.merged_into_lead_number as reached_lead_number,
        edges.lead_number as mark_lead_number,
        1 as step,
        1 as next_mark
    from edges
    union all
    select
        reached.lead_number,
        edges.merged_into_lead_number as reached_lead_number,
        case when reached.step = reached.next_mark then reached.reached_lead_number else reached.mark_lead_number end
            as mark_lead_number,
        reached.step + 1 as step,
        case when reached.step = reached.next_mark then 2 * reached.next_mark else reached.next_mark end as next_mark
    from reached
    inner join edges
        on reached.reached_lead_number = edges.lead_number
    where reached.reached_lead_number <> reached.mark_lead_number
),

cycles as (
    select distinct lead_number from reached
    where lead_number = reached_lead_number
)

select
    edges.lead_number,
    edges.merged_into_lead_number,
    edges.merged_at
from edges
left join cycles
    on edges.lead_number = cycles.lead_number
where cycles.lead_number is null
