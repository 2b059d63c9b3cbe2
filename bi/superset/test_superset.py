"""Superset for real: set up in a fresh folder, asked through its API, looked at in a browser, and read while new marts are published.

Runs in Superset's environment (make test-superset); the marts are built and published by the project's own.
"""
# ruff: noqa: D103

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import requests
import yaml

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
PYTHON = PROJECT / ".venv" / "bin" / "python"
CHARTS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((HERE / "assets/charts").glob("*.yaml"))}
DASHBOARDS = {
    path.stem: yaml.safe_load(path.read_text()) for path in sorted((HERE / "assets/dashboards").glob("*.yaml"))
}
DATASETS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((HERE / "assets/datasets").rglob("*.yaml"))}
PASSWORD = re.compile(r"user admin, password (\S+)")


@dataclass
class Company:
    """A sample company whose marts are built and published.

    Attributes:
        warehouse: what dbt built.
        published: what readers open.
    """

    warehouse: Path
    published: Path


@dataclass
class Superset:
    """A Superset that is served.

    Attributes:
        address: `http://127.0.0.1:<port>`.
        home: its own folder.
        password: of the user admin.
        log: what it has written so far.
    """

    address: str
    home: Path
    password: str
    log: Path

    def session(self) -> requests.Session:
        """Log in through the API."""
        session = requests.Session()
        account = {"username": "admin", "password": self.password, "provider": "db"}
        token = _json(session.post(f"{self.address}/api/v1/security/login", json=account))["access_token"]
        session.headers["Authorization"] = f"Bearer {token}"
        return session

    def ids(self, session: requests.Session, kind: str) -> dict[str, int]:
        """Give the id of each asset of a kind (`chart`, `dataset`, `dashboard`, `database`), by its UUID."""
        found: dict[str, int] = {}
        for page in range(10):
            query = f"(page:{page},page_size:100)"
            rows = _json(session.get(f"{self.address}/api/v1/{kind}/", params={"q": query}))["result"]
            for row in rows:
                uuid = (
                    row.get("uuid") or _json(session.get(f"{self.address}/api/v1/{kind}/{row['id']}"))["result"]["uuid"]
                )
                found[uuid] = row["id"]
            if len(rows) < 100:
                break
        return found

    def sql(self, session: requests.Session, sql: str) -> requests.Response:
        """Run SQL as SQL Lab does."""
        token = _json(session.get(f"{self.address}/api/v1/security/csrf_token/"))["result"]
        (database,) = self.ids(session, "database").values()
        body = {
            "database_id": database,
            "sql": sql,
            "runAsync": False,
            "schema": "marts",
            "client_id": os.urandom(5).hex(),
        }
        headers = {"X-CSRFToken": token, "Referer": self.address}
        return session.post(f"{self.address}/api/v1/sqllab/execute/", json=body, headers=headers)


def _json(response: requests.Response) -> Any:
    """Give the body of an answer that must be a success."""
    assert response.ok, f"{response.status_code} {response.url}: {response.text[:500]}"
    return response.json()


def project(*command: str, **environment: str) -> str:
    """Run a command of the project's environment, and give what it prints."""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("LEAD_SLA_", "DBT_", "SUPERSET_"))
    }
    done = subprocess.run(
        [str(PYTHON), *command], cwd=PROJECT, env=clean | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)[:200]}\n{done.stdout}{done.stderr}"
    return done.stdout


def publish(warehouse: Path, published: Path) -> None:
    """Publish the marts of a warehouse as the nightly run does."""
    script = "import sys; from pathlib import Path; from lead_sla.publish import publish; publish(Path(sys.argv[1]), Path(sys.argv[2]))"
    project("-c", script, str(warehouse), str(published))


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    folder = tmp_path_factory.mktemp("company")
    company = Company(folder / "warehouse.duckdb", folder / "published")
    settings = {
        "LEAD_SLA_RAW": str(folder / "raw"),
        "LEAD_SLA_WAREHOUSE": str(company.warehouse),
        "LEAD_SLA_PUBLISHED": str(company.published),
        "LEAD_SLA_STATE": str(folder / "state"),
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    project("-m", "lead_sla", "sample", "--leads", "3000", "--days", "120", **settings)
    project("-m", "lead_sla", "build", **settings)
    return company


def start(
    folder: Path, published: Path, home: Path, *arguments: str, password: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run start.py of a folder to its end."""
    return subprocess.run(
        [sys.executable, str(folder / "start.py"), *arguments],
        env=_environment(published, home) | ({"LEAD_SLA_SUPERSET_PASSWORD": password} if password else {}),
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def _environment(published: Path, home: Path) -> dict[str, str]:
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("LEAD_SLA_", "SUPERSET_", "FLASK_"))
    }
    return clean | {"LEAD_SLA_PUBLISHED": str(published), "LEAD_SLA_SUPERSET_HOME": str(home)}


@pytest.fixture(scope="session")
def first_start(company: Company, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a Superset that was just set up, and what was printed."""
    home = tmp_path_factory.mktemp("superset") / "home"
    done = start(HERE, company.published, home, "--prepare-only")
    assert done.returncode == 0, done.stdout + done.stderr
    return home, done.stdout


@pytest.fixture(scope="session")
def superset(
    company: Company, first_start: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Superset]:
    home, printed = first_start
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("log") / "superset.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, str(HERE / "start.py"), "--port", str(port)],
            env=_environment(company.published, home), stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        address = f"http://127.0.0.1:{port}"
        try:
            for _ in range(240):
                assert server.poll() is None, log.read_text()
                try:
                    if requests.get(f"{address}/health", timeout=5).ok:
                        break
                except requests.RequestException:
                    time.sleep(0.5)
            yield Superset(address, home, PASSWORD.search(printed)[1], log)  # type: ignore[index]
        finally:
            server.terminate()
            server.wait(30)


@pytest.fixture(scope="session")
def session(superset: Superset) -> requests.Session:
    return superset.session()


@pytest.fixture(scope="session")
def datasets(superset: Superset, session: requests.Session) -> dict[str, int]:
    return superset.ids(session, "dataset")


def ask(superset: Superset, session: requests.Session, dataset: int, **query: Any) -> list[dict[str, Any]]:
    """Ask a dataset as a chart does, and give the rows."""
    context = {
        "datasource": {"id": dataset, "type": "table"},
        "queries": [{"row_limit": 10_000, **query}],
        "result_format": "json",
        "result_type": "full",
    }
    (answer,) = _json(session.post(f"{superset.address}/api/v1/chart/data", json=context))["result"]
    assert answer["status"] == "success" and not answer["error"], answer
    return answer["data"]


def query(chart: dict[str, Any]) -> dict[str, Any]:
    """Give what a chart asks for: columns, metrics and filters, from its settings."""
    params = chart["params"]
    columns = [params[key] for key in ("x_axis", "source", "target") if key in params]
    for key in ("groupby", "groupbyRows", "groupbyColumns", "all_columns"):
        value = params.get(key, [])
        columns += [value] if isinstance(value, str) else value
    metrics = params.get("metrics", []) + ([params["metric"]] if "metric" in params else [])
    filters = [
        {"col": one["subject"], "op": one["operator"], "val": one["comparator"]} for one in params["adhoc_filters"]
    ]
    return {"columns": columns, "metrics": metrics or None, "filters": filters}


# The first start


def test_the_first_start_makes_an_admin_and_keeps_its_secrets_to_itself(first_start: tuple[Path, str]) -> None:
    home, printed = first_start
    assert len(PASSWORD.findall(printed)) == 1
    assert home.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in home.iterdir() if path.is_file()} == {
        "secret_key": 0o600,
        "superset.db": 0o600,
    }
    assert len((home / "secret_key").read_text()) >= 42


def test_another_start_changes_nothing_but_the_password_that_is_given(
    company: Company, first_start: tuple[Path, str], superset: Superset, session: requests.Session, tmp_path: Path
) -> None:
    before = {kind: superset.ids(session, kind) for kind in ("database", "dataset", "chart", "dashboard")}
    assert {kind: len(ids) for kind, ids in before.items()} == {
        "database": 1, "dataset": len(DATASETS), "chart": len(CHARTS), "dashboard": len(DASHBOARDS),
    }  # fmt: skip
    again = start(HERE, company.published, superset.home, "--prepare-only")
    assert again.returncode == 0, again.stderr
    assert "password" not in again.stdout
    assert {kind: superset.ids(session, kind) for kind in before} == before
    shutil.copytree(superset.home, tmp_path / "home")
    key = (superset.home / "secret_key").read_text()
    given = start(HERE, company.published, tmp_path / "home", "--prepare-only", password="a-password-of-my-own")
    assert given.returncode == 0 and "a-password" not in given.stdout
    assert (tmp_path / "home" / "secret_key").read_text() == key


def test_what_changed_in_the_files_changes_in_superset_and_what_is_gone_goes(
    company: Company, superset: Superset, tmp_path: Path
) -> None:
    shutil.copytree(superset.home, home := tmp_path / "home")
    shutil.copytree(HERE, folder := tmp_path / "bi" / "superset", ignore=shutil.ignore_patterns("__pycache__"))
    gone = DASHBOARDS["buyer_matrix"]["uuid"]
    (folder / "assets/dashboards/buyer_matrix.yaml").unlink()
    (folder / "assets/charts/stage_flow.yaml").unlink()
    path = folder / "assets/charts/open_violations.yaml"
    path.write_text(path.read_text().replace("slice_name: Open violations", "slice_name: Broken promises"))
    done = start(folder, company.published, home, "--prepare-only")
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(home / "superset.db") as own:
        names = {name for (name,) in own.execute("select slice_name from slices")}
        uuids = {bytes(uuid).hex() for (uuid,) in own.execute("select uuid from dashboards")}
    assert "Broken promises" in names and "Open violations" not in names
    assert "How leads move" not in names and len(names) == len(CHARTS) - 1
    assert gone.replace("-", "") not in uuids and len(uuids) == len(DASHBOARDS) - 1


def test_without_published_marts_it_says_what_to_do(tmp_path: Path) -> None:
    done = start(HERE, tmp_path / "nothing", tmp_path / "home", "--prepare-only")
    assert done.returncode == 2
    assert "make build" in done.stderr and "Traceback" not in done.stderr


# What it shows


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_has_data(
    name: str, superset: Superset, session: requests.Session, datasets: dict[str, int]
) -> None:
    chart = CHARTS[name]
    rows = ask(superset, session, datasets[chart["dataset_uuid"]], **query(chart))
    assert rows
    assert any(value is not None for row in rows for value in row.values())


def marts(company: Company, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str((company.published / "marts.duckdb").resolve()), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def plain(value: Any) -> Any:
    """Write a value as Superset hands it over: days and instants in milliseconds since 1970, decimals as numbers."""
    if isinstance(value, date):
        instant = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
        return (instant - datetime(1970, 1, 1)) / timedelta(milliseconds=1)
    return value if isinstance(value, str) else round(float(value), 6)


AS_OF_DATE = "(select cast(timezone(reporting_time_zone, timezone('UTC', as_of)) as date) from marts.run_metadata)"


@pytest.mark.parametrize(
    ("chart", "sql"),
    [
        ("open_violations", "select count(*) from marts.do_not_be_on_it"),
        ("leads_on_the_list", "select count(distinct lead_id) from marts.do_not_be_on_it"),
        ("due_soon_count", "select count(*) from marts.due_soon"),
        (
            "untouched_new_leads",
            "select rep_name, count(*) from marts.do_not_be_on_it where rule_id = 'new_lead_touch' group by all",
        ),
        (
            "violations_by_day",
            "select date_day, rule_id, sum(open_violations) from marts.fct_sales_sla_daily group by all",
        ),
        (
            "attainment",
            f"select sum(met) / sum(due) from marts.fct_sales_sla_daily where date_day > {AS_OF_DATE} - 28 and date_day <= {AS_OF_DATE}",
        ),
        ("value_attainment", f"select mtd_value_usd from marts.fct_marketing_sla_daily where persona = 'all' and date_day = {AS_OF_DATE}"),
        (
            "credit_by_source",
            f"""select coalesce(lead_source, 'no source'), persona, sum(value_usd) from marts.fct_marketing_credits
            where date_trunc('month', credited_date) = date_trunc('month', {AS_OF_DATE}) group by all""",
        ),
        ("leads_by_state", "select coalesce(journey_stage, 'no stage'), persona, count(*) from marts.dim_leads where not is_merged group by all"),
        ("credit_of_states", "select sum(value_usd) from marts.fct_marketing_credits"),
    ],
)  # fmt: skip
def test_the_numbers_are_those_of_the_marts(
    chart: str, sql: str, company: Company, superset: Superset, session: requests.Session, datasets: dict[str, int]
) -> None:
    answer = ask(superset, session, datasets[CHARTS[chart]["dataset_uuid"]], **query(CHARTS[chart]))
    assert sorted(tuple(plain(value) for value in row.values()) for row in answer) == sorted(
        tuple(plain(value) for value in row) for row in marts(company, sql)
    )


def test_the_steps_of_the_journey_add_up(
    company: Company, superset: Superset, session: requests.Session, datasets: dict[str, int]
) -> None:
    rows = ask(
        superset,
        session,
        datasets[DATASETS["stage_steps"]["uuid"]],
        columns=["from_stage", "to_stage"],
        metrics=["leads"],
    )
    order = ["new lead", "problem_education", "solution_research", "solution_selection", "won"]
    assert all(order.index(row["from_stage"]) < order.index(row["to_stage"]) for row in rows)
    ((won, staged),) = marts(
        company,
        "select count(won_at) filter (where not is_merged), (select count(distinct lead_id) from marts.fct_lead_stages) from marts.dim_leads",
    )
    assert sum(row["leads"] for row in rows if row["to_stage"] == "won") == won
    assert sum(row["leads"] for row in rows if row["from_stage"] == "new lead" and row["to_stage"] != "won") == staged


def test_a_filter_of_the_page_reaches_the_list(
    company: Company, superset: Superset, session: requests.Session, datasets: dict[str, int]
) -> None:
    asked = query(CHARTS["do_not_be_on_it"])
    asked["filters"] += [
        {"col": "team", "op": "IN", "val": ["Europe"]},
        {"col": "rule_id", "op": "IN", "val": ["trial_calls"]},
    ]
    rows = ask(superset, session, datasets[CHARTS["do_not_be_on_it"]["dataset_uuid"]], **asked)
    ((expected,),) = marts(
        company, "select count(*) from marts.do_not_be_on_it where team = 'Europe' and rule_id = 'trial_calls'"
    )
    assert len(rows) == expected > 0


def test_a_range_of_days_works_on_days_and_on_instants(
    company: Company, superset: Superset, session: requests.Session, datasets: dict[str, int]
) -> None:
    for dataset, column, metric, sql in (
        ("sales_sla_days", "date_day", "due_obligations", "select sum(due) from marts.fct_sales_sla_daily where date_day >= '2026-05-01' and date_day < '2026-06-01'"),
        ("do_not_be_on_it", "due_at", "open_violations", "select count(*) from marts.do_not_be_on_it where due_at >= '2026-05-01' and due_at < '2026-06-01'"),
    ):  # fmt: skip
        days = [{"col": column, "op": "TEMPORAL_RANGE", "val": "2026-05-01 : 2026-06-01"}]
        (row,) = ask(superset, session, datasets[DATASETS[dataset]["uuid"]], columns=[], metrics=[metric], filters=days)
        assert [(row[metric],)] == marts(company, sql)


def test_columns_are_explained_in_the_words_of_the_marts(
    superset: Superset, session: requests.Session, datasets: dict[str, int]
) -> None:
    for name in ("do_not_be_on_it", "marketing_days"):
        dataset = _json(session.get(f"{superset.address}/api/v1/dataset/{datasets[DATASETS[name]['uuid']]}"))["result"]
        assert {column["column_name"] for column in dataset["columns"] if not column["description"]} == set()
        assert dataset["description"].startswith("Grain: one row per")


# What it may do


@pytest.mark.parametrize(
    "sql",
    [
        "create table marts.mine as select 1 as one",
        "delete from marts.do_not_be_on_it",
        "select * from read_csv('/etc/hostname')",
        "select * from '/etc/hostname.csv'",
        "copy (select 1) to '/tmp/lead_sla_superset_was_here.csv'",
        "attach '/tmp/lead_sla_superset_was_here.duckdb'",
        "install httpfs",
        "set enable_external_access = true",
    ],
)
def test_sql_lab_reads_the_marts_and_nothing_else(
    sql: str, company: Company, superset: Superset, session: requests.Session
) -> None:
    answer = superset.sql(session, sql)
    assert not answer.ok, answer.text[:500]
    assert not list(Path("/tmp").glob("lead_sla_superset_was_here*"))
    asked = _json(superset.sql(session, "select count(*) as n from marts.do_not_be_on_it"))
    assert [tuple(row.values()) for row in asked["data"]] == marts(
        company, "select count(*) from marts.do_not_be_on_it"
    )


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs /proc")
def test_it_listens_on_this_machine_alone(superset: Superset) -> None:
    port = int(superset.address.rsplit(":", 1)[1])
    listening = set()
    for table in (path for path in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")) if path.exists()):
        for line in table.read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            if state == "0A" and int(local.rsplit(":", 1)[1], 16) == port:
                listening.add(local.rsplit(":", 1)[0])
    assert listening == {"0100007F"}


def test_nobody_sees_anything_without_an_account(superset: Superset, datasets: dict[str, int]) -> None:
    for path in ("/api/v1/dashboard/", "/api/v1/chart/data", "/superset/dashboard/do-not-be-on-it/"):
        answer = requests.get(f"{superset.address}{path}", allow_redirects=False, timeout=30)
        assert answer.status_code in (302, 401, 403, 405), (path, answer.status_code)
    context = {"datasource": {"id": 1, "type": "table"}, "queries": [{"columns": ["team"]}]}
    assert requests.post(f"{superset.address}/api/v1/chart/data", json=context, timeout=30).status_code in (401, 403)


# While the marts are swapped


def marked(warehouse: Path, copy: Path, version: int) -> Path:
    """Copy a warehouse, and write a version into all rows of two marts and of the clock, so that a mixture would show."""
    shutil.copy(warehouse, copy)
    script = f"""
import duckdb
with duckdb.connect({str(copy)!r}) as connection:
    connection.execute("create or replace table marts.dim_reps as select * replace ('version {version}' as team) from marts.dim_reps")
    connection.execute("create or replace table marts.fct_sales_sla_daily as select * replace ({version} as triggered) from marts.fct_sales_sla_daily")
    connection.execute("create or replace table marts.run_metadata as select * replace (as_of + interval {version} hour as as_of) from marts.run_metadata")
"""
    project("-c", script)
    return copy


def test_publishing_disturbs_no_query_and_the_next_one_sees_the_new_marts(
    company: Company, superset: Superset, session: requests.Session, datasets: dict[str, int], tmp_path: Path
) -> None:
    versions = range(1, 5)
    warehouses = [marked(company.warehouse, tmp_path / f"{version}.duckdb", version) for version in versions]
    as_of = marts(company, "select as_of from marts.run_metadata")[0][0]
    days = datasets[DATASETS["sales_sla_days"]["uuid"]]
    newest = datasets[DATASETS["run_metadata"]["uuid"]]
    lowest, highest = (
        {"expressionType": "SQL", "sqlExpression": f"{f}(triggered)", "label": f} for f in ("min", "max")
    )
    done = threading.Event()
    seen: list[list[int]] = [[] for _ in range(3)]
    failures: list[str] = []

    def read(number: int) -> None:
        """Ask until all is published; note the version of each answer, or why it is none."""
        own = superset.session()
        while not done.is_set():
            try:
                filters = [{"col": "rep_name", "op": "NOT IN", "val": ["unassigned", "R99"]}]
                rows = ask(superset, own, days, columns=["team"], metrics=[lowest, highest], filters=filters)
                found = {(row["team"], row["min"], row["max"]) for row in rows}
                (version,) = {row["min"] for row in rows}
                assert found == {(f"version {version}", version, version)}, found
                seen[number].append(version)
            except Exception as error:
                failures.append(repr(error)[:500])

    publish(warehouses[0], company.published)
    readers = [threading.Thread(target=read, args=(number,)) for number in range(len(seen))]
    for reader in readers:
        reader.start()
    try:
        for version, warehouse in zip(versions, warehouses, strict=True):
            if version > 1:
                publish(warehouse, company.published)
            # From here on every new query sees this version.
            (row,) = ask(superset, session, newest, columns=[], metrics=["newest_as_of"])
            assert row["newest_as_of"] == plain(as_of + timedelta(hours=version))
            time.sleep(2)
    finally:
        done.set()
        for reader in readers:
            reader.join(60)
        publish(company.warehouse, company.published)
    assert failures == []
    for versions_seen in seen:
        assert len(versions_seen) >= 10
        assert versions_seen == sorted(versions_seen), "no answer goes back to an older version"
        assert versions_seen[-1] == versions[-1]
    assert set().union(*seen) == set(versions)
    (row,) = ask(superset, session, newest, columns=[], metrics=["newest_as_of"])
    assert row["newest_as_of"] == plain(as_of)


# In a browser


@pytest.fixture(scope="session")
def seen(superset: Superset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a browser saw of each dashboard. SUPERSET_SCREENSHOTS names a folder for the pictures."""
    folder = Path(os.environ.get("SUPERSET_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    project(str(HERE / "browser.py"), superset.address, superset.password, str(folder))
    assert all((folder / f"{dashboard['slug']}.png").stat().st_size > 100_000 for dashboard in DASHBOARDS.values())
    return json.loads((folder / "seen.json").read_text())


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_is_drawn_with_all_its_charts(
    name: str, seen: dict[str, Any], superset: Superset, session: requests.Session
) -> None:
    dashboard = DASHBOARDS[name]
    ids = superset.ids(session, "chart")
    expected = {
        str(ids[part["meta"]["uuid"]])
        for part in dashboard["position"].values()
        if isinstance(part, dict) and part["type"] == "CHART"
    }
    page = seen[dashboard["slug"]]
    assert {chart for chart, rows in page["charts"].items() if all(rows)} >= expected
    assert page["errors"] == []
    assert page["trouble"] == []
