-- Grain: one row per landed row of raw.activities. A column named for something wrong says what is wrong, and is null where nothing is.
create table activities as
select
    coalesce(
        nullif(trim(versions.activity_id), ''),
        concat('(no id, lead ', versions.lead_id, ', ', strftime(versions.occurred_at, '%Y-%m-%d %H:%M'), ')')
    ) as row_name,
    nullif(trim(versions.activity_id), '') as activity_id,
    nullif(trim(versions.lead_id), '') as lead_id,
    nullif(trim(versions.activity_type), '') as activity_type,
    versions.occurred_at,
    versions._loaded_at,
    versions.conflict,
    versions.repetition,
    if(leads.lead_id is null, versions.lead_id, null) as unknown_lead,
    if(activity_types.activity_type is null, versions.activity_type, null) as unknown_activity_type,
    if(reps.rep_id is null and not coalesce(versions.is_automated, false), versions.actor_id, null) as unknown_actor,
    ahead_of_load('occurred_at', versions.occurred_at, versions._loaded_at) as ahead_of_load,
    ahead_of_now('occurred_at', versions.occurred_at) as ahead_of_now,
    loaded_ahead_of_now(versions._loaded_at) as loaded_ahead_of_now
from versions.activities as versions
left join known.leads on versions.lead_id = leads.lead_id
left join known.reps on versions.actor_id = reps.rep_id
left join known.activity_types on versions.activity_type = activity_types.activity_type
-- So that the first rows, which are named, are the same each time.
order by row_name;
