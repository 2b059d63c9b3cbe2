-- Question: who was on the "Do Not Be On It" list every day last week?
-- Grain: one row per responsible rep (`unassigned` is one) who had at least one open violation at the end of each of
-- the seven days of the last ISO week that was over at `as_of`.
-- How to read: `fewest_open` and `most_open` are the rep's list at its shortest and longest. `open_all_week` counts the
-- violations that were there on all seven days: leads that nobody called all week. A long list with few of those is one
-- that is worked off and filled again; a list that is all `open_all_week` is not looked at.
-- Caveats: a violation counts for the rep who owned the lead at its deadline, also if another has it since. The list
-- has the weekend's ends of day, too, when the rep may be off duty.
{%- set weekday = iso_weekday('as_of_day.date_day') %}

with run_metadata as (
    select * from {{ ref('run_metadata') }}
),

sales_days as (
    select * from {{ ref('fct_sales_sla_daily') }}
),

obligations as (
    select * from {{ ref('fct_sales_sla_obligations') }}
),

reps as (
    select * from {{ ref('dim_reps') }}
),

as_of_day as (
    select {{ local_date('run_metadata.as_of') }} as date_day
    from run_metadata
),

week as (
    select
        cast({{ dbt.dateadd('day', '-6 - ' ~ weekday, 'as_of_day.date_day') }} as date) as first_date,
        cast({{ dbt.dateadd('day', '0 - ' ~ weekday, 'as_of_day.date_day') }} as date) as last_date
    from as_of_day
),

lists as (
    select
        sales_days.rep_id,
        sales_days.date_day,
        sum(sales_days.open_violations) as open_violations
    from sales_days
    inner join week
        on sales_days.date_day between week.first_date and week.last_date
    group by sales_days.rep_id, sales_days.date_day
    having sum(sales_days.open_violations) > 0
),

every_day as (
    select
        lists.rep_id,
        min(lists.open_violations) as fewest_open,
        max(lists.open_violations) as most_open
    from lists
    group by lists.rep_id
    having count(*) = 7
),

-- Open at the end of the first day and still open at the end of the last one. What ends at midnight sharp is not open
-- at the end of the day before.
open_all_week as (
    select
        obligations.responsible_rep_id as rep_id,
        count(*) as open_all_week,
        count(distinct obligations.lead_id) as leads_open_all_week
    from obligations
    cross join week
    where
        obligations.is_breached
        and {{ local_date('obligations.due_at') }} <= week.first_date
        and (
            coalesce(obligations.satisfied_at, obligations.cancelled_at) is null
            or {{ local_date(add_microseconds('coalesce(obligations.satisfied_at, obligations.cancelled_at)', -1)) }}
            > week.last_date
        )
    group by obligations.responsible_rep_id
)

select
    every_day.rep_id,
    reps.full_name,
    reps.team,
    cast(every_day.fewest_open as bigint) as fewest_open,
    cast(every_day.most_open as bigint) as most_open,
    coalesce(open_all_week.open_all_week, 0) as open_all_week,
    coalesce(open_all_week.leads_open_all_week, 0) as leads_open_all_week,
    week.first_date,
    week.last_date
from every_day
cross join week
left join open_all_week
    on every_day.rep_id = open_all_week.rep_id
left join reps
    on every_day.rep_id = reps.rep_id
order by open_all_week desc, every_day.rep_id asc
