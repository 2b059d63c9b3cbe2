-- Grain: one row per lead whose obligations are cancelled, at the first reason. Ties go in the order of `reason_rank`.

with leads as (
    select * from {{ ref('int_leads__leads') }}
),

deals as (
    select * from {{ ref('int_leads__deals') }}
),

reasons as (
    select
        deals.lead_number,
        deals.won_effective_at as cancelled_at,
        'won' as cancel_reason,
        1 as reason_rank
    from deals
    where deals.won_at is not null
    union all
    select
        leads.lead_number,
        leads.disqualified_at as cancelled_at,
        'disqualified' as cancel_reason,
        2 as reason_rank
    from leads
    where leads.disqualified_at is not null
    union all
    select
        leads.lead_number,
        leads.opted_out_at as cancelled_at,
        'opted_out' as cancel_reason,
        3 as reason_rank
    from leads
    where leads.opted_out_at is not null
    union all
    select
        leads.lead_number,
        leads.deleted_at as cancelled_at,
        'deleted' as cancel_reason,
        4 as reason_rank
    from leads
    where leads.deleted_at is not null
    union all
    select
        leads.lead_number,
        leads.merged_at as cancelled_at,
        'merged' as cancel_reason,
        5 as reason_rank
    from leads
    where leads.merged_at is not null
),

ranked as (
    select
        reasons.*,
        row_number() over (
            partition by reasons.lead_number
            order by reasons.cancelled_at, reasons.reason_rank
        ) as cancel_rank
    from reasons
)

select
    lead_number,
    cancel_reason,
    cancelled_at
from ranked
where cancel_rank = 1
