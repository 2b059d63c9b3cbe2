-- The weeks of the scorecards are the sums of their days: Monday to Sunday, by rule and responsible rep.

with daily as (
    select * from {{ ref('fct_sales_sla_daily') }}
),

expected as (
    select
        cast(
            {{ dbt.dateadd('day', '1 - ' ~ iso_weekday('daily.date_day'), 'daily.date_day') }} as date
        ) as week_start_date,
        daily.rule_id,
        daily.rep_id,
        daily.due,
        daily.met,
        daily.breached
    from daily
),

found as (
    select
        week_start_date,
        rule_id,
        rep_id,
        due,
        met,
        breached
    from {{ ref('rep_scorecard') }}
),

differing as (
    {{ differences('expected', 'found', ['week_start_date', 'rule_id', 'rep_id'], ['due', 'met', 'breached']) }}
)

select
    {{ sentence(
        "{rule_id} of {rep_id} in the week of {week_start_date}: rep_scorecard has " ~ found_and_expected(['due', 'met', 'breached'])
        ~ " from fct_sales_sla_daily. Compare the two for that week."
    ) }} as problem
from differing
