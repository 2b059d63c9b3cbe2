-- One row per obligation at risk of the scope: the next deadline first.
select
    lead_id,
    rule_id,
    rule_name,
    responsible_rep_id as rep_id,
    rep_name,
    team,
    persona,
    lead_source,
    touches_total,
    required_touches,
    triggered_at,
    due_at,
    local_time(due_at) as due_at_local,
    minutes_left
from marts.due_soon
where $reps is null or responsible_rep_id in (select unnest(cast($reps as varchar[])))
order by due_at, obligation_id
