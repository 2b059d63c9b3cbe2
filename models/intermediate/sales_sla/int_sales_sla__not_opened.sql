-- Grain: one row per candidate that opens no obligation (candidate_number): an obligation of the same lead and rule is
-- running, opened earlier, not yet satisfied, deadline ahead.
-- The first candidate always opens; from each one that opens, the next is the first later candidate at or after its
-- end.
-- Nearly every candidate is the only one of its lead and rule, and is not looked at.

with recursive candidates as (
    select * from {{ ref('int_sales_sla__candidates') }}
),

several_candidates as (
    select * from {{ ref('int_sales_sla__candidates') }}
),

follow_ups as (
    select * from {{ ref('int_sales_sla__follow_ups') }}
),

several as (
    select
        several_candidates.lead_number,
        several_candidates.rule_id
    from several_candidates
    group by several_candidates.lead_number, several_candidates.rule_id
    having count(*) > 1
),

rivals as (
    select
        candidates.candidate_number,
        candidates.lead_number,
        candidates.rule_id,
        candidates.triggered_at,
        case
            when follow_ups.satisfied_at < candidates.due_at then follow_ups.satisfied_at
            else candidates.due_at
        end as ends_at,
        row_number() over (
            partition by candidates.lead_number, candidates.rule_id
            order by candidates.triggered_at, candidates.trigger_activity_id
        ) as place
    from candidates
    inner join several
        on
            candidates.lead_number = several.lead_number
            and candidates.rule_id = several.rule_id
    left join follow_ups
        on candidates.candidate_number = follow_ups.candidate_number
),

links as (
    select
        earlier.lead_number,
        earlier.rule_id,
        earlier.place,
        min(later.place) as next_place
    from rivals as earlier
    inner join rivals as later
        on
            earlier.lead_number = later.lead_number
            and earlier.rule_id = later.rule_id
            and earlier.place < later.place
            and earlier.ends_at <= later.triggered_at
    group by earlier.lead_number, earlier.rule_id, earlier.place
),

opened as (
    select
        rivals.lead_number,
        rivals.rule_id,
        rivals.place
    from rivals
    where rivals.place = 1
    union all
    select
        links.lead_number,
        links.rule_id,
        links.next_place as place
    from opened
    inner join links
        on
            opened.lead_number = links.lead_number
            and opened.rule_id = links.rule_id
            and opened.place = links.place
)

select rivals.candidate_number
from rivals
left join opened
    on
        rivals.lead_number = opened.lead_number
        and rivals.rule_id = opened.rule_id
        and rivals.place = opened.place
where opened.lead_number is null
