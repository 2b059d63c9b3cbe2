-- One row per ISO week of the deadline, rep of the scope and rule: the last 12 weeks, the newest first, which still runs.
select
    scorecard.week_start_date,
    strftime(scorecard.week_start_date, '%G-W%V') as iso_week,
    coalesce(reps.full_name, scorecard.rep_id) as rep_name,
    scorecard.rep_id,
    reps.team,
    scorecard.rule_id,
    scorecard.due,
    scorecard.met,
    scorecard.breached,
    scorecard.attainment_rate,
    scorecard.p50_response_minutes,
    scorecard.p90_response_minutes
from marts.rep_scorecard as scorecard
left join marts.dim_reps as reps on scorecard.rep_id = reps.rep_id
where
    scorecard.week_start_date <= $as_of_date
    and scorecard.week_start_date >= cast(date_trunc('week', $as_of_date) as date) - 77
    and ($reps is null or scorecard.rep_id in (select unnest(cast($reps as varchar[]))))
order by scorecard.week_start_date desc, rep_name, scorecard.rep_id, scorecard.rule_id
