"""The sample company: the same rows for the same arguments, the raw contract, and every trap."""

import csv
from pathlib import Path

import duckdb
import pytest
import yaml

from lead_sla import sample
from lead_sla.sample import END, TABLES, TRAPS, make_sample

PROJECT = Path(__file__).parents[2]
SEEDS = PROJECT / "seeds" / "policy"

CONVERSIONS = "('content_download', 'product_download', 'demo_request', 'free_trial')"
TOUCHES = "('call', 'voicemail', 'email', 'sms', 'meeting', 'social_message')"

# What proves that a trap is there: a query that returns a row.
PROOF = {
    "duplicate_rows": "SELECT 1 FROM lead_twice, activity_twice, owner_change_twice, rep_twice, deal_twice",
    "reloaded_activities": "SELECT 1 FROM activities GROUP BY activity_id "
    "HAVING count(DISTINCT _loaded_at) > 1 AND arg_min(coalesce(outcome, ''), _loaded_at) = '' AND max(outcome) IS NOT NULL",
    "deleted_activity": "SELECT 1 FROM activity_now WHERE is_deleted",
    "undeleted_activity": "SELECT 1 FROM activity_now JOIN activities USING (activity_id) "
    "WHERE NOT activity_now.is_deleted AND activities.is_deleted",
    "activity_moved_to_future": "SELECT 1 FROM activity_now JOIN activities USING (activity_id) "
    "WHERE activity_now.occurred_at > $end AND activities.occurred_at <= $end",
    "future_activity": "SELECT 1 FROM (SELECT 1 FROM activities WHERE occurred_at > _loaded_at AND _loaded_at < $end), "
    "(SELECT 1 FROM activities GROUP BY activity_id HAVING min(occurred_at) > $end)",
    "late_activities": "SELECT 1 FROM activities GROUP BY activity_id HAVING min(_loaded_at - occurred_at) >= INTERVAL 3 DAY",
    "unknown_lead": "SELECT 1 FROM activities ANTI JOIN leads USING (lead_id)",
    "unknown_activity_type": "SELECT 1 FROM activities ANTI JOIN activity_types USING (activity_type)",
    "unknown_rep": "SELECT 1 FROM (SELECT 1 FROM leads ANTI JOIN reps ON owner_id = rep_id WHERE owner_id IS NOT NULL), "
    "(SELECT 1 FROM owner_changes ANTI JOIN reps ON owner_id = rep_id WHERE owner_id IS NOT NULL), "
    "(SELECT 1 FROM activities ANTI JOIN reps ON actor_id = rep_id WHERE actor_id IS NOT NULL)",
    "touch_without_actor": f"SELECT 1 FROM activities WHERE activity_type IN {TOUCHES} AND NOT is_automated AND actor_id IS NULL",
    "automated_trigger": f"SELECT 1 FROM activities WHERE activity_type IN {CONVERSIONS} AND is_automated",
    "activity_before_created": "SELECT 1 FROM lead_now JOIN activities USING (lead_id) "
    f"WHERE occurred_at < created_at - INTERVAL 1 DAY AND activity_type IN {CONVERSIONS}",
    "activities_at_one_instant": f"SELECT 1 FROM activities WHERE activity_type IN {CONVERSIONS} "
    "GROUP BY lead_id, occurred_at HAVING count(DISTINCT activity_id) = 3",
    "touch_at_deadline": "SELECT 1 FROM first_touch WHERE touched_at = converted_at + INTERVAL 1 HOUR",
    "touch_just_late": "SELECT 1 FROM first_touch WHERE touched_at = converted_at + INTERVAL 3601 SECOND",
    "trigger_at_deadline": "SELECT 1 FROM demo_again WHERE later.occurred_at = earlier.occurred_at + INTERVAL 72 HOUR",
    "trigger_while_running": "SELECT 1 FROM demo_again WHERE later.occurred_at < earlier.occurred_at + INTERVAL 1 HOUR",
    "future_lead": "SELECT 1 FROM leads WHERE created_at > $end",
    "future_lead_version": "SELECT 1 FROM leads WHERE created_at <= $end AND updated_at > $end",
    "late_lead": "SELECT 1 FROM leads GROUP BY lead_id HAVING min(_loaded_at - updated_at) >= INTERVAL 2 DAY",
    "lead_corrected": "SELECT 1 FROM leads GROUP BY lead_id, updated_at HAVING count(DISTINCT _loaded_at) > 1",
    "persona_boundary": "SELECT 1 FROM leads WHERE employee_count IN (999, 1000, 10000, 10001) "
    "HAVING count(DISTINCT employee_count) = 4",
    "persona_changed": "SELECT 1 FROM leads GROUP BY lead_id "
    "HAVING min(employee_count) < 1000 AND max(employee_count) > 1000 OR min(employee_count) < 10000 AND max(employee_count) > 10001",
    "enriched_later": "SELECT 1 FROM leads GROUP BY lead_id "
    "HAVING count(employee_count) > 0 AND arg_min(coalesce(employee_count, -1), updated_at) = -1",
    "disqualified": "SELECT 1 FROM lead_now WHERE disqualified_at IS NOT NULL AND disqualified_reason IS NOT NULL",
    "opted_out": "SELECT 1 FROM lead_now WHERE opted_out_at IS NOT NULL",
    "test_lead": "SELECT 1 FROM lead_now WHERE is_test",
    "deleted_lead": "SELECT 1 FROM lead_now WHERE is_deleted",
    "undeleted_lead": "SELECT 1 FROM lead_now JOIN leads USING (lead_id) WHERE NOT lead_now.is_deleted AND leads.is_deleted",
    "lead_deleted_twice": "SELECT 1 FROM lead_now JOIN leads USING (lead_id) WHERE lead_now.is_deleted AND leads.is_deleted "
    "GROUP BY lead_id HAVING count(DISTINCT leads.updated_at) > 1",
    "merged": "SELECT 1 FROM merge JOIN lead_now AS survivor ON survivor_id = survivor.lead_id "
    "WHERE survivor.merged_into_lead_id IS NULL AND NOT coalesce(survivor.is_test, false)",
    "merge_chain": "SELECT 1 FROM merge AS a JOIN merge AS b ON a.survivor_id = b.lead_id "
    "JOIN lead_now AS survivor ON b.survivor_id = survivor.lead_id WHERE survivor.merged_into_lead_id IS NULL",
    "merge_cycle": "SELECT 1 FROM merge AS a JOIN merge AS b ON a.survivor_id = b.lead_id AND b.survivor_id = a.lead_id "
    "JOIN merge AS c ON c.survivor_id = a.lead_id WHERE a.lead_id <> b.lead_id AND c.lead_id <> b.lead_id",
    "merge_into_itself": "SELECT 1 FROM merge WHERE lead_id = survivor_id",
    "merge_missing_survivor": "SELECT 1 FROM merge ANTI JOIN leads ON survivor_id = leads.lead_id",
    "merge_without_date": "SELECT 1 FROM lead_now WHERE merged_into_lead_id IS NOT NULL AND merged_at IS NULL",
    "merged_into_test_lead": "SELECT 1 FROM merge JOIN lead_now AS survivor ON survivor_id = survivor.lead_id WHERE survivor.is_test",
    "no_owner_changes": "SELECT 1 FROM lead_now ANTI JOIN owner_changes USING (lead_id) WHERE owner_id IS NOT NULL",
    "never_owned": "SELECT 1 FROM (SELECT lead_id FROM leads GROUP BY lead_id HAVING count(owner_id) = 0 AND max(created_at) < $end) "
    "ANTI JOIN owner_changes USING (lead_id)",
    "assigned_days_later": "SELECT 1 FROM lead_now JOIN owner_changes USING (lead_id) "
    "GROUP BY lead_id HAVING min(changed_at - created_at) > INTERVAL 1 DAY",
    "owner_taken_away": "SELECT 1 FROM owner_changes WHERE owner_id IS NULL",
    "owner_repeated": "SELECT 1 FROM (SELECT owner_id, changed_at, "
    "lag(owner_id) OVER w AS owner_before, lag(changed_at) OVER w AS before FROM owner_changes "
    "WINDOW w AS (PARTITION BY lead_id ORDER BY changed_at)) WHERE owner_id = owner_before AND changed_at > before",
    "owner_change_before_created": "SELECT 1 FROM lead_now JOIN owner_changes USING (lead_id) WHERE changed_at < created_at",
    "owner_change_corrected": "SELECT 1 FROM owner_changes GROUP BY lead_id, changed_at "
    "HAVING count(DISTINCT owner_id) = 2 AND count(DISTINCT _loaded_at) = 2",
    "won_without_closed_at": "SELECT 1 FROM deal_now WHERE status = 'won' AND closed_at IS NULL",
    "won_before_deadline": "SELECT 1 FROM deal_now JOIN lead_now USING (lead_id) "
    "WHERE status = 'won' AND closed_at < lead_now.created_at + INTERVAL 1 HOUR",
    "won_then_reopened": "SELECT 1 FROM deal_now JOIN deals USING (deal_id) WHERE deal_now.status = 'open' AND deals.status = 'won'",
    "deal_corrected": "SELECT 1 FROM deals GROUP BY deal_id, updated_at HAVING count(DISTINCT _loaded_at) = 2",
}

HELPERS = f"""
CREATE VIEW lead_twice AS SELECT * FROM leads GROUP BY ALL HAVING count(*) > 1;
CREATE VIEW activity_twice AS SELECT * FROM activities GROUP BY ALL HAVING count(*) > 1;
CREATE VIEW owner_change_twice AS SELECT * FROM owner_changes GROUP BY ALL HAVING count(*) > 1;
CREATE VIEW rep_twice AS SELECT * FROM reps GROUP BY ALL HAVING count(*) > 1;
CREATE VIEW deal_twice AS SELECT * FROM deals GROUP BY ALL HAVING count(*) > 1;
CREATE TABLE lead_now AS FROM leads QUALIFY row_number() OVER (PARTITION BY lead_id ORDER BY updated_at DESC, _loaded_at DESC) = 1;
CREATE TABLE activity_now AS FROM activities QUALIFY row_number() OVER (PARTITION BY activity_id ORDER BY _loaded_at DESC) = 1;
CREATE TABLE deal_now AS FROM deals QUALIFY row_number() OVER (PARTITION BY deal_id ORDER BY updated_at DESC, _loaded_at DESC) = 1;
CREATE TABLE merge AS SELECT lead_id, merged_into_lead_id AS survivor_id FROM lead_now WHERE merged_at IS NOT NULL;
CREATE TABLE first_touch AS
SELECT converted.lead_id, converted.occurred_at AS converted_at, min(touched.occurred_at) AS touched_at
FROM (
    SELECT lead_id, min(occurred_at) AS occurred_at FROM activity_now WHERE activity_type IN {CONVERSIONS} GROUP BY lead_id
) AS converted
LEFT JOIN (FROM activity_now WHERE activity_type IN {TOUCHES} AND is_automated IS NOT true) AS touched
    ON converted.lead_id = touched.lead_id AND converted.occurred_at <= touched.occurred_at
GROUP BY ALL;
CREATE VIEW demo_again AS SELECT earlier, later FROM activity_now AS earlier
JOIN activity_now AS later ON earlier.lead_id = later.lead_id AND earlier.activity_id <> later.activity_id
    AND earlier.occurred_at <= later.occurred_at AND earlier.activity_type = 'demo_request' AND later.activity_type = 'demo_request';
"""


def opened(raw: Path) -> duckdb.DuckDBPyConnection:
    """A connection with a table for each raw table, and the helpers of the proofs."""
    connection = duckdb.connect()
    for table in TABLES:
        connection.execute(
            f"CREATE TABLE {table} AS FROM read_parquet('{raw}/{table}/*/*.parquet', hive_partitioning = false)"
        )
    connection.execute(f"CREATE TABLE activity_types AS FROM read_csv('{SEEDS}/activity_types.csv')")
    connection.execute(HELPERS)
    return connection


def files(raw: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path in it."""
    return {str(path.relative_to(raw)): path.read_bytes() for path in sorted(raw.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    """A sample of 2,000 leads in two months: (folder, row counts, connection)."""
    raw = tmp_path_factory.mktemp("company") / "raw"
    counts = make_sample(2000, 60, 42, raw, threads=2)
    with opened(raw) as connection:
        yield raw, counts, connection


@pytest.fixture(scope="module", params=[(200, 180, 42), (200, 30, 7)], ids=["half a year", "a month"])
def small(request, tmp_path_factory):
    """Samples of 200 leads: a connection."""
    raw = tmp_path_factory.mktemp("small") / "raw"
    make_sample(*request.param, raw)
    with opened(raw) as connection:
        yield connection


def test_the_same_arguments_give_the_same_files(company, tmp_path):
    raw, counts, _ = company
    assert make_sample(2000, 60, 42, tmp_path / "again", threads=1) == counts
    assert files(tmp_path / "again") == files(raw)


def test_another_seed_gives_other_rows(tmp_path):
    make_sample(20, 10, 1, tmp_path / "one")
    make_sample(20, 10, 2, tmp_path / "two")
    assert files(tmp_path / "one") != files(tmp_path / "two")


def test_portions_change_neither_the_rows_nor_the_number_of_files(company, tmp_path, monkeypatch):
    _, counts, connection = company
    monkeypatch.setattr(sample, "PORTION", 900)
    assert make_sample(2000, 60, 42, tmp_path / "raw") == counts
    with opened(tmp_path / "raw") as portioned:
        for table in TABLES:
            query = f"FROM {table} ORDER BY ALL"
            assert portioned.execute(query).fetchall() == connection.execute(query).fetchall(), table
    folders = list((tmp_path / "raw").glob("*/*"))
    assert {folder: [path.name for path in folder.iterdir()] for folder in folders} == {
        folder: ["part-00000.parquet"] for folder in folders
    }


def test_files_keep_the_raw_contract(company):
    raw, counts, connection = company
    sources = yaml.safe_load((PROJECT / "models/staging/crm/_crm__sources.yml").read_text())["sources"]
    contract = {table["name"]: table["columns"] for table in sources[0]["tables"]}
    assert set(contract) == set(TABLES) == {path.name for path in raw.iterdir()}
    for table, columns in contract.items():
        described = connection.execute(
            f"DESCRIBE FROM read_parquet('{raw}/{table}/*/*.parquet', hive_partitioning = false)"
        ).fetchall()
        assert [(name, kind.lower()) for name, kind, *_ in described] == [
            (column["name"], column["data_type"]) for column in columns
        ], table
        required = [
            column["name"] for column in columns if not column.get("config", {}).get("meta", {}).get("optional")
        ]
        assert connection.execute(f"SELECT count({'), count('.join(required)}) FROM {table}").fetchone() == (
            counts[table],
        ) * len(required), table


def test_rows_lie_in_the_folder_of_their_load(company):
    raw, _, connection = company
    for table in TABLES:
        assert connection.execute(
            f"SELECT count(*) FROM read_parquet('{raw}/{table}/*/*.parquet', hive_partitioning = true, hive_types = {{'loaded_date': DATE}}) "
            "WHERE loaded_date <> _loaded_at::DATE"
        ).fetchone() == (0,), table


def test_there_are_as_many_leads_as_asked_for(company):
    assert company[2].execute("SELECT count(DISTINCT lead_id) FROM leads").fetchone() == (2000,)


@pytest.mark.parametrize("trap", [trap.name for trap in TRAPS])
def test_every_trap_is_in_a_sample_of_200_leads(small, trap):
    query = PROOF[trap]
    assert small.execute(query, {"end": END} if "$end" in query else None).fetchone(), trap


def test_every_trap_has_a_proof_and_a_row_in_the_documentation():
    assert set(PROOF) == {trap.name for trap in TRAPS}
    page = (PROJECT / "docs" / "sample-data.md").read_text()
    sql = {path.name: path.read_text() for path in sorted((PROJECT / "lead_sla" / "sql").glob("sample_*.sql"))}
    for trap in TRAPS:
        made_in = ", ".join(f"`{name}`" for name, text in sql.items() if f"'{trap.name}'" in text)
        assert f"| `{trap.name}` | {trap.per_thousand * trap.size} | {trap.what} | {made_in} |" in page.splitlines()


def test_traps_of_the_reps_are_there(small):
    calendars = {row["calendar_id"] for row in csv.DictReader((SEEDS / "business_calendars.csv").open())}
    reps = small.execute("SELECT rep_id, calendar_id FROM reps").fetchall()
    assert {calendar for _, calendar in reps} == {*calendars, None, "singapore"}
    assert len({rep for rep, _ in reps}) == 12
    assert small.execute("SELECT count(*) FROM reps WHERE active_to IS NOT NULL").fetchone() == (1,)


def test_no_two_versions_are_equal_in_every_ordering_column_and_different_in_content(company, tmp_path):
    make_sample(20, 2, 42, tmp_path / "shortest")
    keys = {
        "leads": "lead_id, updated_at, _loaded_at",
        "activities": "activity_id, _loaded_at",
        "owner_changes": "lead_id, changed_at, _loaded_at",
        "reps": "rep_id, _loaded_at",
        "deals": "deal_id, updated_at, _loaded_at",
    }
    with opened(tmp_path / "shortest") as shortest:
        for table, key in keys.items():
            query = f"SELECT {key} FROM (SELECT DISTINCT * FROM {table}) GROUP BY ALL HAVING count(*) > 1"
            assert company[2].execute(query).fetchall() == [], table
            assert shortest.execute(query).fetchall() == [], table


def test_loads_are_nightly_and_on_the_last_day_hourly(company):
    loads = (
        company[2]
        .execute("SELECT DISTINCT _loaded_at FROM activities UNION SELECT _loaded_at FROM leads ORDER BY 1")
        .fetchall()
    )
    last_day = [at for (at,) in loads if at.date() == END.date()]
    assert loads[-1] == (END,)
    assert len(last_day) >= 10 and all(at.minute == at.second == 0 for at in last_day)
    assert {(at.hour, at.minute, at.second) for (at,) in loads if at.date() < END.date()} == {(2, 0, 0)}
    assert loads[0][0].date().isoformat() == "2026-04-20"


def test_rows_are_loaded_after_what_they_tell_but_for_clocks_that_run_ahead(company):
    connection = company[2]
    ahead = {"activities": "occurred_at", "leads": "updated_at", "deals": "updated_at", "owner_changes": "changed_at"}
    for table, column in ahead.items():
        early, rows = connection.execute(
            f"SELECT count(*) FILTER ({column} >= _loaded_at), count(*) FROM {table}"
        ).fetchone()
        assert early <= 0.01 * rows, table
    (first,) = connection.execute("SELECT min(occurred_at) FROM activities").fetchone()
    (last,) = connection.execute("SELECT max(occurred_at) FROM activities").fetchone()
    assert first.date().isoformat() >= "2026-04-15"
    assert last.date().isoformat() <= "2026-06-20"


def test_the_company_is_a_believable_one(company):
    connection = company[2]
    (in_time,) = connection.execute(
        "SELECT avg((coalesce(touched_at <= converted_at + INTERVAL 1 HOUR, false))::INT) FROM first_touch"
    ).fetchone()
    assert 0.5 < in_time < 0.7
    (won,) = connection.execute("SELECT count(*) FILTER (status = 'won') / count(*) FROM deal_now").fetchone()
    assert 0.2 < won < 0.5
    emails = connection.execute(
        "SELECT email FROM leads WHERE email IS NOT NULL UNION SELECT email FROM reps"
    ).fetchall()
    assert all(email.endswith("@example.com") for (email,) in emails)


def test_a_folder_with_something_in_it_is_refused_and_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not an empty folder"):
        make_sample(10, 10, 42, tmp_path)
    assert files(tmp_path) == {"mine.txt": b"mine"}


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "raw").mkdir()
    counts = make_sample(10, 10, 42, tmp_path / "raw")
    assert counts["leads"] >= 10
    assert {path.name for path in (tmp_path / "raw").iterdir()} == set(TABLES)
    assert {path.name for path in tmp_path.iterdir()} == {"raw"}


def test_a_failed_run_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sample, "_copy", fail)
    with pytest.raises(KeyboardInterrupt):
        make_sample(10, 10, 42, tmp_path / "raw")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("leads", "days"), [(0, 180), (10, 1)])
def test_impossible_sizes_are_refused(tmp_path, leads, days):
    with pytest.raises(ValueError, match="A sample needs"):
        make_sample(leads, days, 42, tmp_path / "raw")
