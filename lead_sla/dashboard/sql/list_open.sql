-- One row per open violation: the newest first, because that lead is still warm. `due_seconds` are seconds of the
-- local clock.
select
    violations.lead_id,
    violations.rule_id,
    violations.rule_name,
    violations.responsible_rep_id as rep_id,
    violations.rep_name,
    coalesce(violations.team, '') as team,
    violations.persona,
    coalesce(violations.lead_source, '') as lead_source,
    coalesce(owners.full_name, violations.current_owner_id, '') as owner_name,
    cast(epoch(local_time(violations.due_at)) as bigint) as due_seconds,
    cast(floor(violations.violation_age_days * 1440) as bigint) as minutes,
    violations.touches_total,
    violations.required_touches
from marts.do_not_be_on_it as violations
left join marts.dim_reps as owners on violations.current_owner_id = owners.rep_id
order by violations.due_at desc, violations.obligation_id
