-- Grain: one row per landed row of raw.leads. A column named for something wrong says what is wrong, and is null where nothing is.
create table leads as
select
    coalesce(
        nullif(trim(versions.lead_id), ''), concat('(no id, created ', strftime(versions.created_at, '%Y-%m-%d %H:%M'), ')')
    ) as row_name,
    nullif(trim(versions.lead_id), '') as lead_id,
    versions.created_at,
    versions.updated_at,
    versions.employee_count,
    versions.disqualified_at,
    versions.opted_out_at,
    versions.merged_at,
    versions._loaded_at,
    versions.conflict,
    versions.repetition,
    if(versions.employee_count is null and is_landed('leads', 'employee_count'), true, null) as no_employee_count,
    if(reps.rep_id is null, versions.owner_id, null) as unknown_owner,
    if(leads.lead_id is null, versions.merged_into_lead_id, null) as unknown_survivor,
    if(versions.updated_at < versions.created_at, strftime(versions.updated_at, '%Y-%m-%d %H:%M'), null) as updated_too_early,
    nullif(concat_ws(', ',
        ahead_of_load('created_at', versions.created_at, versions._loaded_at),
        ahead_of_load('updated_at', versions.updated_at, versions._loaded_at)
    ), '') as ahead_of_load,
    nullif(concat_ws(', ',
        ahead_of_now('created_at', versions.created_at),
        ahead_of_now('updated_at', versions.updated_at),
        ahead_of_now('disqualified_at', versions.disqualified_at),
        ahead_of_now('opted_out_at', versions.opted_out_at),
        ahead_of_now('merged_at', versions.merged_at)
    ), '') as ahead_of_now,
    loaded_ahead_of_now(versions._loaded_at) as loaded_ahead_of_now
from versions.leads as versions
left join known.reps on versions.owner_id = reps.rep_id
left join known.leads on versions.merged_into_lead_id = leads.lead_id
-- So that the first rows, which are named, are the same each time.
order by row_name;
