-- Grain: one row per record and lead whose history contains that record (record_lead_number, lead_number): the lead
-- itself and, where the record was merged, every later survivor along the chain. Test leads are on neither side, but
-- chains pass through them.
-- `held_from` (null = since ever) and `held_until` (null = still) say when the lead is the one that holds the record; a
-- merged lead's own history ends before `history_until`.

with recursive records as (
    select * from {{ ref('int_leads__records') }}
),

lead_merges as (
    select * from {{ ref('int_leads__merges') }}
),

-- All merges up to a survivor must have happened before it holds the record.
chains as (
    select
        lead_merges.lead_number as record_lead_number,
        lead_merges.merged_into_lead_number as lead_number,
        lead_merges.merged_at as held_from
    from lead_merges
    union all
    select
        chains.record_lead_number,
        lead_merges.merged_into_lead_number as lead_number,
        greatest(chains.held_from, lead_merges.merged_at) as held_from
    from chains
    inner join lead_merges
        on chains.lead_number = lead_merges.lead_number
),

holders as (
    select
        records.lead_number as record_lead_number,
        records.lead_number,
        cast(null as timestamp) as held_from
    from records
    union all
    select
        chains.record_lead_number,
        chains.lead_number,
        chains.held_from
    from chains
)

select
    record_leads.lead_id as record_lead_id,
    holders.record_lead_number,
    holders.lead_number,
    holders.held_from,
    case
        when lead_merges.merged_at < holders.held_from then holders.held_from
        else lead_merges.merged_at
    end as held_until,
    lead_merges.merged_at as history_until
from holders
inner join records as record_leads
    on holders.record_lead_number = record_leads.lead_number
inner join records as leads
    on holders.lead_number = leads.lead_number
left join lead_merges
    on holders.lead_number = lead_merges.lead_number
where
    not record_leads.is_test
    and not leads.is_test
