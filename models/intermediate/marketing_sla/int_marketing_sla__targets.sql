-- Grain: one row per month and persona with a target (target_month, persona). A target of zero is no target, hence
-- null.

with marketing_targets as (
    select * from {{ ref('marketing_targets') }}
),

reps as (
    select * from {{ ref('stg_crm__reps') }}
),

buyer_matrix as (
    select * from {{ ref('buyer_matrix') }}
),

journey_stages as (
    select * from {{ ref('journey_stages') }}
),

lead_values as (
    select * from {{ ref('lead_values') }}
),

serving_reps as (
    select
        marketing_targets.target_month,
        marketing_targets.persona,
        count(reps.rep_id) as rep_count
    from marketing_targets
    left join reps
        on
            {{ active_on('reps', 'marketing_targets.target_month') }}
            and {{ serves('reps', 'marketing_targets.persona') }}
    group by marketing_targets.target_month, marketing_targets.persona
),

-- What one lead of the persona is worth in its lowest passing stage, whatever it did there, on the month's first day.
passing_stages as (
    select
        marketing_targets.target_month,
        marketing_targets.persona,
        buyer_matrix.journey_stage,
        row_number() over (
            partition by marketing_targets.target_month, marketing_targets.persona
            order by journey_stages.stage_rank
        ) as passing_rank
    from marketing_targets
    inner join buyer_matrix
        on
            marketing_targets.persona = buyer_matrix.persona
            and {{ in_force('buyer_matrix', 'marketing_targets.target_month') }}
    inner join journey_stages
        on buyer_matrix.journey_stage = journey_stages.journey_stage
    where buyer_matrix.passes_to_sales
),

lowest_values as (
    select
        passing_stages.target_month,
        passing_stages.persona,
        {{ lead_value_usd('lead_values') }} as value_usd
    from passing_stages
    inner join lead_values
        on
            passing_stages.persona = lead_values.persona
            and passing_stages.journey_stage = lead_values.journey_stage
            and {{ in_force('lead_values', 'passing_stages.target_month') }}
    where
        passing_stages.passing_rank = 1
        and lead_values.activity_type is null
),

leads_promised as (
    select
        marketing_targets.target_month,
        marketing_targets.persona,
        marketing_targets.target_value_usd,
        coalesce(
            marketing_targets.target_leads,
            marketing_targets.leads_per_rep * serving_reps.rep_count
        ) as target_leads
    from marketing_targets
    inner join serving_reps
        on
            marketing_targets.target_month = serving_reps.target_month
            and marketing_targets.persona = serving_reps.persona
)

select
    leads_promised.target_month,
    leads_promised.persona,
    cast(nullif(leads_promised.target_leads, 0) as {{ type_double() }}) as target_leads,
    nullif(
        cast(
            coalesce(leads_promised.target_value_usd, leads_promised.target_leads * lowest_values.value_usd)
            as decimal(18, 2)
        ), 0
    ) as target_value_usd
from leads_promised
left join lowest_values
    on
        leads_promised.target_month = lowest_values.target_month
        and leads_promised.persona = lowest_values.persona
