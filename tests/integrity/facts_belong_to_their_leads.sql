-- Every fact is one of a lead in dim_leads. A merged lead is in no fact but its own obligations: its survivor counts
-- the person.
{%- set facts = {
    'fct_lead_stages': ref('fct_lead_stages'),
    'fct_qualified_leads': ref('fct_qualified_leads'),
    'fct_sales_touches': ref('fct_sales_touches'),
    'fct_speed_to_lead': ref('fct_speed_to_lead'),
    'fct_marketing_credits': ref('fct_marketing_credits'),
    'fct_sales_sla_obligations': ref('fct_sales_sla_obligations'),
} %}

with leads as (
    select * from {{ ref('dim_leads') }}
),

facts as (
    {%- for name, fact in facts.items() %}
        select distinct
            lead_id,
            '{{ name }}' as fact
        from {{ fact }}
        {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select
    {{ sentence(
        "lead {facts.lead_id}: it is in {facts.fact}, but {case when leads.lead_id is null then 'not in dim_leads' "
        ~ "else 'merged into another, which counts the person' end}. Look at its merge in int_leads__merges."
    ) }} as problem
from facts
left join leads
    on facts.lead_id = leads.lead_id
where
    leads.lead_id is null
    or (leads.is_merged and facts.fact <> 'fct_sales_sla_obligations')
