-- Activities, owner changes and deals of leads that the CRM never landed count for nobody.
{%- set logged = {
    'activities': ref('stg_crm__activities'),
    'owner_changes': ref('stg_crm__owner_changes'),
    'deals': ref('stg_crm__deals'),
} %}

with leads as (
    select distinct lead_id from {{ ref('stg_crm__lead_versions') }}
),

logged as (
    {%- for table, relation in logged.items() %}
        select
            '{{ table }}' as table_name,
            lead_id
        from {{ relation }}
        {{ 'union all' if not loop.last }}
    {%- endfor %}
),

unknown as (
    select
        logged.table_name,
        count(*) as row_count,
        count(distinct logged.lead_id) as lead_count,
        {{ examples('logged.lead_id') }} as some_leads
    from logged
    left join leads
        on logged.lead_id = leads.lead_id
    where leads.lead_id is null
    group by logged.table_name
)

select
    {{ sentence(
        "raw {table_name}: {row_count} rows are of {lead_count} leads that raw leads does not have yet (such as {some_leads}). "
        ~ "They count for nobody: land the leads."
    ) }} as problem
from unknown
