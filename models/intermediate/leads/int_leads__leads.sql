-- Grain: one row per lead of the marts: every record but test leads. `is_merged` ones are in dim_leads and in the
-- obligations alone.

with records as (
    select * from {{ ref('int_leads__records') }}
),

lead_merges as (
    select * from {{ ref('int_leads__merges') }}
)

select
    records.lead_number,
    records.lead_id,
    records.owner_id_of_version,
    records.lead_source,
    lead_merges.lead_number is not null as is_merged,
    records.created_at,
    records.disqualified_at,
    records.opted_out_at,
    records.deleted_at,
    lead_merges.merged_at
from records
left join lead_merges
    on records.lead_number = lead_merges.lead_number
where not records.is_test
