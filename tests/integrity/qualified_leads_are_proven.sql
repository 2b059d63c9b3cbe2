-- Every qualified lead can show why: its proof is the one by which it reached that stage, at or before it qualified,
-- and its buyer state passed to Sales under the Buyer Matrix version that it names, which was in force on that day.

with qualified_leads as (
    select * from {{ ref('fct_qualified_leads') }}
),

stages as (
    select * from {{ ref('fct_lead_stages') }}
),

buyer_matrix as (
    select * from {{ ref('buyer_matrix') }}
),

reasons as (
    select
        qualified_leads.*,
        stages.lead_id is not null as is_proven,
        buyer_matrix.persona is not null as has_passed
    from qualified_leads
    left join stages
        on
            qualified_leads.lead_id = stages.lead_id
            and qualified_leads.journey_stage = stages.journey_stage
            and qualified_leads.activity_id = stages.activity_id
            and qualified_leads.qualified_at >= stages.reached_at
    left join buyer_matrix
        on
            qualified_leads.persona = buyer_matrix.persona
            and qualified_leads.journey_stage = buyer_matrix.journey_stage
            and qualified_leads.matrix_valid_from = buyer_matrix.valid_from
            and buyer_matrix.passes_to_sales
            and {{ in_force('buyer_matrix', 'qualified_leads.qualified_date') }}
)

select
    {{ sentence(
        "lead {lead_id}, qualified at {qualified_at} as {persona} in {journey_stage}: "
        ~ "{case when not is_proven then 'activity ' || activity_id || ' is not how it reached that stage in fct_lead_stages' "
        ~ "else 'the buyer_matrix version of ' || cast(matrix_valid_from as " ~ dbt.type_string()
        ~ ") || ' does not pass that buyer state on that day' end}. Look at int_qualification__qualified."
    ) }} as problem
from reasons
where not is_proven or not has_passed
