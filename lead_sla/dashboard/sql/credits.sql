-- One row per persona and stage of the credited activity: what Marketing earned, ever and in the month so far.
select
    persona,
    journey_stage,
    sum(value_usd) as value_usd,
    coalesce(sum(value_usd) filter (where credited_date between $month_start and $as_of_date), 0) as month_value_usd
from marts.fct_marketing_credits
group by persona, journey_stage
order by persona, journey_stage
