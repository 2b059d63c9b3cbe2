-- Grain: one row per landed row of raw.owner_changes. A column named for something wrong says what is wrong, and is null where nothing is.
create table owner_changes as
select
    concat(
        coalesce(nullif(trim(versions.lead_id), ''), '(no lead)'), ' at ',
        coalesce(strftime(versions.changed_at, '%Y-%m-%d %H:%M'), '(no time)')
    ) as row_name,
    nullif(trim(versions.lead_id), '') as lead_id,
    versions.changed_at,
    versions._loaded_at,
    versions.conflict,
    versions.repetition,
    if(leads.lead_id is null, versions.lead_id, null) as unknown_lead,
    if(reps.rep_id is null, versions.owner_id, null) as unknown_owner,
    ahead_of_load('changed_at', versions.changed_at, versions._loaded_at) as ahead_of_load,
    ahead_of_now('changed_at', versions.changed_at) as ahead_of_now,
    loaded_ahead_of_now(versions._loaded_at) as loaded_ahead_of_now
from versions.owner_changes as versions
left join known.leads on versions.lead_id = leads.lead_id
left join known.reps on versions.owner_id = reps.rep_id
-- So that the first rows, which are named, are the same each time.
order by row_name;
