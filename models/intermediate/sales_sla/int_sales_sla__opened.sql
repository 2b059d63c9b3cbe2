-- Grain: one row per candidate that opens an obligation (lead_id, rule_id, candidate_number).
-- A candidate opens unless an obligation of the same lead and rule is running: opened earlier, not yet satisfied,
-- deadline ahead. The first one always opens; from each one that opens, the next is the first later candidate at or
-- after its end.

with recursive candidates as (
    select
        candidates.lead_id,
        candidates.rule_id,
        candidates.candidate_number,
        candidates.triggered_at,
        case
            when follow_ups.satisfied_at < candidates.due_at then follow_ups.satisfied_at
            else candidates.due_at
        end as ends_at
    from {{ ref('int_sales_sla__candidates') }} as candidates
    inner join {{ ref('int_sales_sla__follow_ups') }} as follow_ups
        on
            candidates.lead_id = follow_ups.lead_id
            and candidates.rule_id = follow_ups.rule_id
            and candidates.candidate_number = follow_ups.candidate_number
),

links as (
    select
        earlier.lead_id,
        earlier.rule_id,
        earlier.candidate_number,
        min(later.candidate_number) as next_candidate_number
    from candidates as earlier
    inner join candidates as later
        on
            earlier.lead_id = later.lead_id
            and earlier.rule_id = later.rule_id
            and earlier.candidate_number < later.candidate_number
            and earlier.ends_at <= later.triggered_at
    group by earlier.lead_id, earlier.rule_id, earlier.candidate_number
),

opened as (
    select
        candidates.lead_id,
        candidates.rule_id,
        candidates.candidate_number
    from candidates
    where candidates.candidate_number = 1
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
    lead_id,
    rule_id,
    candidate_number
from opened
