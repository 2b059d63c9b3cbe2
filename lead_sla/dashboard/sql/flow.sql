-- One row per persona (at `as_of`) and step of the journey: from a stage (empty: from none) to the next higher one
-- that was reached. $stages are the journey stages in their order. Nobody falls back, so a lower stage that is
-- proven later is no step.
with reached as (
    select
        lead_id,
        reached_at,
        list_position(cast($stages as varchar[]), journey_stage) as stage_rank,
        max(list_position(cast($stages as varchar[]), journey_stage)) over (
            partition by lead_id
            order by reached_at, list_position(cast($stages as varchar[]), journey_stage)
            rows between unbounded preceding and 1 preceding
        ) as rank_before
    from marts.fct_lead_stages
),

higher as (
    select
        lead_id,
        reached_at,
        stage_rank,
        coalesce(rank_before, 0) as rank_before,
        lag(reached_at) over (partition by lead_id order by reached_at, stage_rank) as reached_before
    from reached
    where stage_rank > coalesce(rank_before, 0)
)

select
    leads.persona,
    higher.rank_before as from_rank,
    higher.stage_rank as to_rank,
    count(*) as leads,
    count(*) filter (where higher.reached_at > $as_of - interval 28 day) as recent_leads,
    quantile_cont(epoch_us(higher.reached_at - higher.reached_before) / 8.64e10, 0.5) as median_days
from higher
inner join marts.dim_leads as leads on higher.lead_id = leads.lead_id
group by leads.persona, higher.rank_before, higher.stage_rank
order by leads.persona, from_rank, to_rank
