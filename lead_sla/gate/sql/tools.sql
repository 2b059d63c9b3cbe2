-- What the tables of checks share. Variables: `checked_at` (UTC), `policy` (the folder of the policy seeds).

create schema known;
create schema versions;

-- What may be referred to, each key once.
create table known.leads as select distinct lead_id from raw.leads where lead_id is not null;
create table known.reps as select distinct rep_id from raw.reps where rep_id is not null;
create table known.activity_types as
select distinct activity_type from read_csv(getvariable('policy') || '/activity_types.csv', header = true, all_varchar = true);
create table known.calendars as
select distinct calendar_id from read_csv(getvariable('policy') || '/business_calendars.csv', header = true, all_varchar = true);
create table known.personas as
select distinct persona from read_csv(getvariable('policy') || '/personas.csv', header = true, all_varchar = true);

-- Five minutes are noise between clocks.
create macro ahead_of_load(name, instant, loaded_at) as
    if(
        instant > loaded_at + interval 5 minute and instant <= getvariable('checked_at') + interval 5 minute,
        name || ' ' || strftime(instant, '%Y-%m-%d %H:%M'), null
    );
create macro ahead_of_now(name, instant) as
    if(instant > getvariable('checked_at') + interval 5 minute, name || ' ' || strftime(instant, '%Y-%m-%d %H:%M'), null);
-- An hour, because the default `as_of` is the newest load.
create macro loaded_ahead_of_now(loaded_at) as
    if(loaded_at > getvariable('checked_at') + interval 1 hour, strftime(loaded_at, '%Y-%m-%d %H:%M'), null);

-- Was a column landed? What may be missing is not missed.
create macro is_landed(of_table, of_column) as
    exists (from columns where table_name = of_table and column_name = of_column and landed_type is not null);
