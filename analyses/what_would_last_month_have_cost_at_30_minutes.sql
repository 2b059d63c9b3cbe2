-- Question: what would last month have cost at a 30-minute promise?
-- Grain: one row per team of the responsible reps, `no team` for nobody and for reps without one, and `all teams`.
-- How to read: `agreed_*` is the promise for new leads as it was; `tighter_*` are the same leads, follow-ups and
-- cancellations under a deadline of 30 minutes. `extra_breaches` is the price: leads that were touched in time, and
-- would not have been. To keep the attainment, so many leads have to be touched earlier.
-- Caveats: nobody knew of the 30 minutes, so this is what the habits of that month are worth under them, and no
-- forecast: people move towards a deadline. Each promise counts in the month of its own deadline, so a few leads of the
-- month's last hour differ. It is exact for a rule on elapsed time with one trigger a lead, such as `new_lead_touch`; a
-- rule that triggers again would open other obligations under another deadline, and a rule in business hours needs
-- another clock.
{%- set rule_id = 'new_lead_touch' %}
{%- set minutes = 30 %}

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

last_month as (
    select
        run_metadata.as_of,
        cast(
            {{ dbt.dateadd('month', -1, dbt.date_trunc('month', local_date('run_metadata.as_of'))) }} as date
        ) as first_date
    from run_metadata
),

promises as (
    select
        coalesce(reps.team, 'no team') as team,
        obligations.satisfied_at,
        obligations.cancelled_at,
        obligations.due_at as agreed_due_at,
        {{ dbt.dateadd('minute', minutes, 'obligations.triggered_at') }} as tighter_due_at
    from obligations
    left join reps
        on obligations.responsible_rep_id = reps.rep_id
),

-- Met or breached, if the deadline lies in the month and before `as_of`, and the lead was not cancelled by then.
outcomes as (
    select
        promises.team,
        case
            when
                cast({{ dbt.date_trunc('month', local_date('promises.agreed_due_at')) }} as date)
                <> last_month.first_date
                or promises.agreed_due_at >= last_month.as_of
                or promises.cancelled_at <= promises.agreed_due_at then null
            when promises.satisfied_at <= promises.agreed_due_at then 'met'
            else 'breached'
        end as agreed,
        case
            when
                cast({{ dbt.date_trunc('month', local_date('promises.tighter_due_at')) }} as date)
                <> last_month.first_date
                or promises.tighter_due_at >= last_month.as_of
                or promises.cancelled_at <= promises.tighter_due_at then null
            when promises.satisfied_at <= promises.tighter_due_at then 'met'
            else 'breached'
        end as tighter
    from promises
    cross join last_month
),

with_all as (
    select
        outcomes.team,
        outcomes.agreed,
        outcomes.tighter
    from outcomes
    union all
    select
        'all teams' as team,
        outcomes.agreed,
        outcomes.tighter
    from outcomes
),

counted as (
    select
        with_all.team,
        count(with_all.agreed) as agreed_due,
        count(case when with_all.agreed = 'met' then 1 end) as agreed_met,
        count(case when with_all.agreed = 'breached' then 1 end) as agreed_breached,
        count(with_all.tighter) as tighter_due,
        count(case when with_all.tighter = 'met' then 1 end) as tighter_met,
        count(case when with_all.tighter = 'breached' then 1 end) as tighter_breached
    from with_all
    group by with_all.team
)

select
    counted.team,
    counted.agreed_due,
    counted.agreed_met,
    counted.agreed_breached,
    counted.agreed_met / nullif(cast(counted.agreed_due as {{ type_double() }}), 0) as agreed_attainment_rate,
    counted.tighter_due,
    counted.tighter_met,
    counted.tighter_breached,
    counted.tighter_met / nullif(cast(counted.tighter_due as {{ type_double() }}), 0) as tighter_attainment_rate,
    counted.tighter_breached - counted.agreed_breached as extra_breaches,
    last_month.first_date as month_start_date
from counted
cross join last_month
order by counted.team = 'all teams' desc, extra_breaches desc, counted.team asc
