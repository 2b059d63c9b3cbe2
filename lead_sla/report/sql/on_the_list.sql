-- One row per open violation of the scope: the newest first, because that lead is still warm.
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
    violation_age_days,
    due_at >= $as_of - interval 1 day as is_new
from marts.do_not_be_on_it
where $reps is null or responsible_rep_id in (select unnest(cast($reps as varchar[])))
order by due_at desc, obligation_id
