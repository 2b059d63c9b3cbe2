-- One row per obligation at risk of the scope: the next deadline first.
select
    due_soon.lead_id,
    due_soon.rule_name,
    due_soon.rep_name,
    due_soon.responsible_rep_id as rep_id,
    due_soon.team,
    coalesce(owners.full_name, due_soon.current_owner_id) as owner_name,
    due_soon.persona,
    due_soon.lead_source,
    due_soon.touches_total,
    due_soon.required_touches,
    local_time(due_soon.triggered_at) as triggered_at_local,
    local_time(due_soon.due_at) as due_at_local,
    due_soon.minutes_left
from marts.due_soon as due_soon
left join marts.dim_reps as owners on due_soon.current_owner_id = owners.rep_id
where $reps is null or due_soon.responsible_rep_id in (select unnest(cast($reps as varchar[])))
order by due_soon.due_at, due_soon.obligation_id
