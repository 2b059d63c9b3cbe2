-- One row per obligation at risk: the next deadline first. `due_seconds` are seconds of the local clock.
select
    due_soon.lead_id,
    due_soon.rule_id,
    due_soon.rule_name,
    due_soon.responsible_rep_id as rep_id,
    due_soon.rep_name,
    coalesce(due_soon.team, '') as team,
    due_soon.persona,
    coalesce(due_soon.lead_source, '') as lead_source,
    coalesce(owners.full_name, due_soon.current_owner_id, '') as owner_name,
    cast(epoch(local_time(due_soon.due_at)) as bigint) as due_seconds,
    cast(floor(due_soon.minutes_left) as bigint) as minutes,
    due_soon.touches_total,
    due_soon.required_touches
from marts.due_soon as due_soon
left join marts.dim_reps as owners on due_soon.current_owner_id = owners.rep_id
order by due_soon.due_at, due_soon.obligation_id
