-- Grain: one row per landed row of raw.reps. A column named for something wrong says what is wrong, and is null where nothing is.
create table reps as
select
    coalesce(nullif(trim(versions.rep_id), ''), concat('(no id, active from ', versions.active_from, ')')) as row_name,
    nullif(trim(versions.rep_id), '') as rep_id,
    nullif(trim(versions.full_name), '') as full_name,
    versions.active_from,
    versions.active_to,
    versions._loaded_at,
    versions.conflict,
    versions.repetition,
    if(managers.rep_id is null, versions.manager_id, null) as unknown_manager,
    if(calendars.calendar_id is null, versions.calendar_id, null) as unknown_calendar,
    nullif(array_to_string(list_filter(
        string_split(versions.personas, '|'),
        lambda persona : trim(persona) <> '' and not list_contains(personas.known, trim(persona))
    ), ', '), '') as unknown_persona,
    if(versions.active_to < versions.active_from, concat('until ', versions.active_to), null) as gone_too_early,
    loaded_ahead_of_now(versions._loaded_at) as loaded_ahead_of_now
from versions.reps as versions
left join known.reps as managers on versions.manager_id = managers.rep_id
left join known.calendars on versions.calendar_id = calendars.calendar_id
cross join (select list(persona) as known from known.personas) as personas
-- So that the first rows, which are named, are the same each time.
order by row_name;
