-- Grain: one row: the run that built these marts, the instant that they are true of, and the newest load of every raw
-- table.

with clock as (
    select * from {{ ref('stg_crm__clock') }}
),

loads as (
    select * from {{ ref('stg_crm__loads') }}
),

newest as (
    select
        max(case when loads.table_name = 'leads' then loads.newest_loaded_at end) as leads_loaded_at,
        max(case when loads.table_name = 'activities' then loads.newest_loaded_at end) as activities_loaded_at,
        max(case when loads.table_name = 'owner_changes' then loads.newest_loaded_at end) as owner_changes_loaded_at,
        max(case when loads.table_name = 'reps' then loads.newest_loaded_at end) as reps_loaded_at,
        max(case when loads.table_name = 'deals' then loads.newest_loaded_at end) as deals_loaded_at
    from loads
)

select
    '{{ invocation_id }}' as run_id,
    '{{ var("reporting_time_zone") }}' as reporting_time_zone,
    cast('{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S") }}' as timestamp) as run_started_at,
    clock.as_of,
    newest.leads_loaded_at,
    newest.activities_loaded_at,
    newest.owner_changes_loaded_at,
    newest.reps_loaded_at,
    newest.deals_loaded_at
from clock
cross join newest
