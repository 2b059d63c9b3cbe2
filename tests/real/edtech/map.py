"""Maps the edtech call log of the real data into the raw contract: `python map.py DATA_FOLDER RAW_FOLDER`.

The choices, and the reasons for them, stand in the README beside this file. Nothing of the data is kept in the project.
"""

import json
import sys
from pathlib import Path

import duckdb

# Every view reads the source files; every table becomes RAW_FOLDER/<table>/<table>.parquet.
MAPPING = """
create view details as from read_csv(getvariable('data') || '/leads_basic_details.csv');
create view assignments as from read_csv(getvariable('data') || '/sales_managers_assigned_leads_details.csv');
create view demos as from read_csv(getvariable('data') || '/leads_demo_watched_details.csv');
create view calls as from read_csv(getvariable('data') || '/leads_interaction_details.csv');
create view refusals as
select
    lead_id,
    coalesce(
        reasons_for_not_interested_in_demo,
        reasons_for_not_interested_to_consider,
        reasons_for_not_interested_to_convert
    ) as reason
from read_csv(getvariable('data') || '/leads_reasons_for_no_interest.csv', nullstr = 'NA', all_varchar = true);

-- Only days are known: a day's events stand a minute apart around noon, in the order of the company's own process.
create macro step(name) as list_position(
    [
        'assigned', 'lead_introduction', 'demo_schedule', 'demo_not_attended', 'demo_view', 'post_demo_followup',
        'followup_for_consideration', 'interested_for_conversion', 'followup_for_conversion', 'successful_conversion'
    ],
    name
) - 1;
create macro utc(local_time) as timezone('UTC', timezone('Asia/Kolkata', local_time));
create macro instant(day, name) as utc(day + interval 12 hours + to_minutes(step(name)));
-- What happened on a day is landed when the day is over.
create macro landing(day) as utc(day + interval 1 day);

-- There is no key: the whole row is one, so that exact duplicates are one call.
create view logged_calls as
select
    *,
    concat_ws(':', lead_id, call_done_date, step(call_reason), lead_stage, call_status, jnr_sm_id) as activity_id,
    instant(call_done_date, call_reason) as occurred_at,
    call_status = 'successful' as is_connected
from calls;

-- A refusal has no date: it was heard in the last call that was answered, or in the last one where none was.
create view endings as
select
    lead_id,
    any_value(reason) as reason,
    coalesce(max(call_done_date) filter (is_connected), max(call_done_date)) as ended_on,
    coalesce(max(occurred_at) filter (is_connected), max(occurred_at)) as ended_at
from refusals inner join logged_calls using (lead_id)
group by lead_id;

create table leads as
with versions as (
    select
        lead_id,
        instant(assigned_date, 'assigned') as updated_at,
        null as disqualified_at,
        null as disqualified_reason,
        landing(assigned_date) as _loaded_at
    from assignments
    union all
    select lead_id, ended_at, ended_at, reason, landing(ended_on) from endings
)

select
    versions.lead_id,
    instant(assignments.assigned_date, 'assigned') as created_at,
    versions.updated_at,
    -- The buyer is a student, who employs nobody.
    cast(0 as bigint) as employee_count,
    'IN' as country_code,
    details.lead_gen_source as lead_source,
    assignments.jnr_sm_id as owner_id,
    cast(versions.disqualified_at as timestamp) as disqualified_at,
    cast(versions.disqualified_reason as varchar) as disqualified_reason,
    versions._loaded_at
from versions inner join details using (lead_id) inner join assignments using (lead_id);

create table activities as
select
    activity_id,
    lead_id,
    'call' as activity_type,
    occurred_at,
    jnr_sm_id as actor_id,
    if(is_connected, 'connected', 'not_connected') as outcome,
    cast(null as varchar) as asset,
    landing(call_done_date) as _loaded_at
from logged_calls
union all
select
    concat_ws(':', lead_id, demo_watched_date, step('demo_view')),
    lead_id,
    'demo_view',
    instant(demo_watched_date, 'demo_view'),
    null,
    null,
    'demo in ' || language,
    landing(demo_watched_date)
from demos;

create table owner_changes as
select
    lead_id,
    jnr_sm_id as owner_id,
    instant(assigned_date, 'assigned') as changed_at,
    landing(assigned_date) as _loaded_at
from assignments;

create table reps as
with first_day as (
    select min(assigned_date) as day from assignments
)

select
    rep_id,
    rep_id as full_name,
    manager_id as team,
    nullif(manager_id, rep_id) as manager_id,
    first_day.day as active_from,
    landing(first_day.day) as _loaded_at
from (
    select distinct jnr_sm_id as rep_id, snr_sm_id as manager_id from assignments
    union
    select distinct snr_sm_id, snr_sm_id from assignments
) cross join first_day;

-- A deal begins when the lead says in a call that it is interested (one was won before it said so), and ends with
-- the lead; one that begins and ends in the same call was never seen open.
create table deals as
with progress as (
    select
        lead_id,
        any_value(jnr_sm_id) as owner_id,
        min(call_done_date) filter (call_reason = 'interested_for_conversion') as interested_on,
        min(call_done_date) filter (call_reason = 'successful_conversion') as won_on,
        min(occurred_at) filter (call_reason = 'interested_for_conversion') as interested_at,
        min(occurred_at) filter (call_reason = 'successful_conversion') as won_at
    from logged_calls
    where is_connected
    group by lead_id
    having interested_at is not null or won_at is not null
),

span as (
    select
        progress.lead_id,
        progress.owner_id,
        if(progress.won_at is null, 'lost', 'won') as status,
        least(progress.interested_on, progress.won_on) as opened_on,
        least(progress.interested_at, progress.won_at) as opened_at,
        coalesce(progress.won_on, endings.ended_on) as closed_on,
        coalesce(progress.won_at, endings.ended_at) as closed_at
    from progress left join endings using (lead_id)
)

select
    lead_id || ':deal' as deal_id,
    lead_id,
    owner_id,
    'open' as status,
    opened_at as created_at,
    cast(null as timestamp) as closed_at,
    opened_at as updated_at,
    landing(opened_on) as _loaded_at
from span
where opened_at < closed_at
union all
select
    lead_id || ':deal',
    lead_id,
    owner_id,
    status,
    opened_at,
    closed_at,
    closed_at,
    landing(closed_on)
from span;
"""

# What the raw contract has no column for, or what only the source rows can tell.
FINDINGS = """
select
    (select count(*) from calls) as calls,
    (select count(*) from calls) - (select count(*) from (select distinct * from calls)) as exact_duplicate_calls,
    (select count(*) from details where age > 100) as ages_above_100,
    (select max(watched_percentage) from demos) as highest_watched_share,
    (select count(*) from demos where watched_percentage > 100) as watched_shares_above_100
"""

TABLES = ("leads", "activities", "owner_changes", "reps", "deals")


def land(data: Path, raw: Path) -> dict[str, int]:
    """Writes the raw tables of the company.

    Args:
        data: the folder with the company's source files.
        raw: the folder to write to, one folder with one Parquet file per table.

    Returns:
        Counts of what is odd in the source and cannot be seen in the raw tables.
    """
    with duckdb.connect() as connection:
        connection.execute("set variable data = ?", [str(data)])
        connection.execute(MAPPING)
        for table in TABLES:
            (raw / table).mkdir(parents=True, exist_ok=True)
            connection.table(table).write_parquet(str(raw / table / f"{table}.parquet"))
        findings = connection.execute(FINDINGS)
        return dict(zip([column[0] for column in findings.description], findings.fetchone(), strict=True))


if __name__ == "__main__":
    print(json.dumps(land(Path(sys.argv[1]), Path(sys.argv[2])), indent=2))
