-- One row per open violation of the scope: the newest first, because that lead is still warm.
select
    violations.lead_id,
    violations.rule_name,
    violations.rep_name,
    violations.responsible_rep_id as rep_id,
    violations.team,
    coalesce(owners.full_name, violations.current_owner_id) as owner_name,
    violations.persona,
    violations.lead_source,
    violations.touches_total,
    violations.required_touches,
    local_time(violations.triggered_at) as triggered_at_local,
    local_time(violations.due_at) as due_at_local,
    violations.violation_age_days,
    violations.late_minutes,
    if(violations.due_at >= $as_of - interval 1 day, 'new', null) as is_new
from marts.do_not_be_on_it as violations
left join marts.dim_reps as owners on violations.current_owner_id = owners.rep_id
where $reps is null or violations.responsible_rep_id in (select unnest(cast($reps as varchar[])))
order by violations.due_at desc, violations.obligation_id
