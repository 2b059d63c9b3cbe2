-- One row per group of open violations: all, a rule's, a team's, a rep's, and those of a rule in a team or of a rep.
-- What a row is not grouped by is null; `grouped_by` names what it is. No team is an empty text.
with violations as (
    select
        rule_id,
        responsible_rep_id as rep_id,
        rep_name,
        coalesce(team, '') as team,
        lead_id,
        violation_age_days,
        due_at >= $as_of - interval 1 day as is_new
    from marts.do_not_be_on_it
)

select
    case grouping(rule_id, team, rep_id)
        when 7 then 'all'
        when 3 then 'rule'
        when 5 then 'team'
        when 6 then 'rep'
        when 1 then 'rule and team'
        when 2 then 'rule and rep'
    end as grouped_by,
    rule_id,
    rep_id,
    coalesce(team, any_value(team)) as team,
    any_value(rep_name) as rep_name,
    count(*) as open_violations,
    count(distinct lead_id) as leads,
    count(*) filter (where is_new) as new_violations,
    max(violation_age_days) as oldest_days
from violations
group by grouping sets ((), (rule_id), (team), (rep_id), (rule_id, team), (rule_id, rep_id))
order by open_violations desc, rule_id, team, rep_id
