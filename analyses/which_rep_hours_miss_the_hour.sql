-- Question: which rep-hours miss the hour?
-- Grain: one row per responsible rep and hour of the day (of the reporting time zone) in which new leads came in, over
-- the promises for new leads that fell due in the 28 days up to `as_of`. Only rep-hours with at least 5 of them.
-- How to read: the first rows are where the list is filled. `share_of_breaches` adds them up from the top: if a few
-- rep-hours make half of it, a shift or a hand-over mends more than a talk with everybody. `attainment_rate` says how
-- bad the hour is, `breached` how much it matters.
-- Caveats: it is the hour in which the lead came in, not the one in which the deadline passed, and the rep who owned
-- the lead at the deadline, who may have got it late. 5 promises are few: take a rep-hour as a place to look at, not as
-- a verdict. The shares are of all breaches, also those in the rep-hours that are too small to be shown.
{%- set rule_id = 'new_lead_touch' %}
{%- set time_zone = "'" ~ var('reporting_time_zone') ~ "'" %}

with run_metadata as (
    select * from {{ ref('run_metadata') }}
),

obligations as (
    select * from {{ ref('fct_sales_sla_obligations') }}
    where rule_id = '{{ rule_id }}'
),

reps as (
    select * from {{ ref('dim_reps') }}
),

due_obligations as (
    select
        obligations.responsible_rep_id as rep_id,
        cast(extract(hour from {{ utc_to_local('obligations.triggered_at', time_zone) }}) as integer) as hour_of_day,
        case when obligations.is_breached then 1 else 0 end as breached
    from obligations
    cross join run_metadata
    where
        obligations.due_at < run_metadata.as_of
        and (obligations.status = 'met' or obligations.is_breached)
        and {{ local_date('obligations.due_at') }}
        > cast({{ dbt.dateadd('day', -28, local_date('run_metadata.as_of')) }} as date)
),

rep_hours as (
    select
        due_obligations.rep_id,
        due_obligations.hour_of_day,
        count(*) as due,
        sum(due_obligations.breached) as breached,
        sum(sum(due_obligations.breached)) over () as all_breached
    from due_obligations
    group by due_obligations.rep_id, due_obligations.hour_of_day
)

select
    rep_hours.rep_id,
    reps.full_name,
    reps.team,
    rep_hours.hour_of_day,
    rep_hours.due,
    cast(rep_hours.due - rep_hours.breached as bigint) as met,
    cast(rep_hours.breached as bigint) as breached,
    (rep_hours.due - rep_hours.breached) / cast(rep_hours.due as {{ type_double() }}) as attainment_rate,
    sum(rep_hours.breached) over (
        order by rep_hours.breached desc, rep_hours.rep_id asc, rep_hours.hour_of_day asc
        rows between unbounded preceding and current row
    ) / nullif(cast(rep_hours.all_breached as {{ type_double() }}), 0) as share_of_breaches
from rep_hours
left join reps
    on rep_hours.rep_id = reps.rep_id
where rep_hours.due >= 5
order by rep_hours.breached desc, rep_hours.rep_id asc, rep_hours.hour_of_day asc
