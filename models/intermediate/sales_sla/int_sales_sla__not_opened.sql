-- Grain: one row per candidate that opens no obligation (lead_id, rule_id, candidate_number): an obligation of the same
-- lead and rule is running, opened earlier, not yet satisfied, deadline ahead.
-- The first candidate always opens; from each one that opens, the next is the first later candidate at or after its
-- end.
-- Nearly every candidate is the only one of its lead and rule, and is not looked at.

with recursive follow_ups as (
    select * from {{ ref('int_sales_sla__follow_ups') }}
),

several as (
    select
        lead_id,
        rule_id
    from follow_ups
    where candidate_number = 2
),

rivals as (
    select
        follow_ups.lead_id,
        follow_ups.rule_id,
        follow_ups.candidate_number,
        follow_ups.triggered_at,
        case
            when follow_ups.satisfied_at < follow_ups.due_at then follow_ups.satisfied_at
            else follow_ups.due_at
        end as ends_at
    from follow_ups
    inner join several
        on
            follow_ups.lead_id = several.lead_id
            and follow_ups.rule_id = several.rule_id
),

links as (
    select
        earlier.lead_id,
        earlier.rule_id,
        earlier.candidate_number,
        min(later.candidate_number) as next_candidate_number
    from rivals as earlier
    inner join rivals as later
        on
            earlier.lead_id = later.lead_id
            and earlier.rule_id = later.rule_id
            and earlier.candidate_number < later.candidate_number
            and earlier.ends_at <= later.triggered_at
    group by earlier.lead_id, earlier.rule_id, earlier.candidate_number
),

opened as (
    select
        rivals.lead_id,
        rivals.rule_id,
        rivals.candidate_number
    from rivals
    where rivals.candidate_number = 1
    union all
    select
        links.lead_id,
        links.rule_id,
        links.next_candidate_number as candidate_number
    from opened
    inner join links
        on
            opened.lead_id = links.lead_id
            and opened.rule_id = links.rule_id
            and opened.candidate_number = links.candidate_number
)

select
    rivals.lead_id,
    rivals.rule_id,
    rivals.candidate_number
from rivals
left join opened
    on
        rivals.lead_id = opened.lead_id
        and rivals.rule_id = opened.rule_id
        and rivals.candidate_number = opened.candidate_number
where opened.lead_id is null
