-- One row per rep with an open violation, and `unassigned`: the most first.
select
    responsible_rep_id,
    any_value(rep_name) as rep_name,
    any_value(team) as team,
    count(*) as open_violations,
    count(distinct lead_id) as leads,
    max(violation_age_days) as oldest_days
from marts.do_not_be_on_it
group by responsible_rep_id
order by open_violations desc, responsible_rep_id
