"""Maps the olist funnel of the real data into the raw contract: `python map.py DATA_FOLDER RAW_FOLDER`.

The choices, and the reasons for them, stand in the README beside this file. Nothing of the data is kept in the project.
"""

import json
import sys
from pathlib import Path

import duckdb

# Every view reads the source files; every table becomes RAW_FOLDER/<table>/<table>.parquet.
MAPPING = """
-- A bare day stands at its first instant in Brazil, as the source itself writes its bare days (see the README).
create macro first_instant(day) as timezone('UTC', timezone('America/Sao_Paulo', cast(day as timestamp)));
create macro local_day(instant) as cast(timezone('America/Sao_Paulo', timezone('UTC', instant)) as date);
-- What happened on a day is landed when the day is over.
create macro landing(instant) as first_instant(local_day(instant) + 1);

create view requests as
select *, first_instant(first_contact_date) as requested_at
from read_csv(getvariable('data') || '/olist_marketing_qualified_leads_dataset.csv');

-- Won times are UTC already.
create view wins as from read_csv(getvariable('data') || '/olist_closed_deals_dataset.csv');

create table leads as
select
    mql_id as lead_id,
    requested_at as created_at,
    requested_at as updated_at,
    'BR' as country_code,
    origin as lead_source,
    landing(requested_at) as _loaded_at
from requests;

-- The one thing that the data tell of the buyer: the form on a landing page.
create table activities as
select
    mql_id || ':request' as activity_id,
    mql_id as lead_id,
    'contact_request' as activity_type,
    requested_at as occurred_at,
    landing_page_id as asset,
    landing(requested_at) as _loaded_at
from requests;

-- Who had a lead is known of the won ones alone, and from the win on.
create table owner_changes as
select
    mql_id as lead_id,
    sr_id as owner_id,
    won_date as changed_at,
    landing(won_date) as _loaded_at
from wins;

create table reps as
with people as (
    select sr_id as rep_id, 'sales' as team, won_date from wins
    union all
    select sdr_id, 'sales_development', won_date from wins
)

select
    rep_id,
    rep_id as full_name,
    -- Some do both: closing is what they are shown for.
    min(team) as team,
    local_day(min(won_date)) as active_from,
    landing(min(won_date)) as _loaded_at
from people
group by rep_id;

create table deals as
select
    seller_id as deal_id,
    mql_id as lead_id,
    sr_id as owner_id,
    'won' as status,
    won_date as created_at,
    won_date as closed_at,
    won_date as updated_at,
    landing(won_date) as _loaded_at
from wins;
"""

# What the raw contract has no column for, or what only the source rows can tell.
FINDINGS = """
select
    (select max(declared_monthly_revenue) from wins) as highest_declared_revenue,
    (
        select count(*) from wins
        where extract('minute' from won_date) + extract('second' from won_date) = 0 and extract('hour' from won_date) in (2, 3)
    ) as won_times_at_two_or_three_sharp,
    (select count(*) from wins where won_date = first_instant(local_day(won_date))) as won_times_at_local_midnight,
    (select count(*) from requests where local_day(requested_at) <> first_contact_date) as requests_moved_to_another_day
"""

TABLES = ("leads", "activities", "owner_changes", "reps", "deals")


def land(data: Path, raw: Path) -> dict[str, float]:
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
