-- A lead that was merged into one that does not exist, or into itself along a cycle, stays unmerged: its person may
-- count twice.

with records as (
    select * from {{ ref('int_leads__records') }}
),

effective_merges as (
    select * from {{ ref('int_leads__merges') }}
),

skipped as (
    select
        records.lead_id,
        case
            when survivors.lead_id is null then 'into leads that raw leads does not have (yet)'
            else 'in a cycle, each into the next'
        end as reason
    from records
    left join records as survivors
        on records.merged_into_lead_id = survivors.lead_id
    left join effective_merges
        on records.lead_number = effective_merges.lead_number
    where
        records.merged_into_lead_id is not null
        and effective_merges.lead_number is null
),

counted as (
    select
        skipped.reason,
        count(*) as lead_count,
        {{ examples('skipped.lead_id') }} as some_leads
    from skipped
    group by skipped.reason
)

select
    {{ sentence(
        "merges: {lead_count} leads are merged {reason} (such as {some_leads}). They stay unmerged: correct merged_into_lead_id, or land "
        ~ "the survivor."
    ) }} as problem
from counted
