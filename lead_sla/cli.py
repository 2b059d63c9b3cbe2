"""The command line: `lead-sla`."""

from __future__ import annotations

import json
import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import click
import duckdb
import yaml

from lead_sla import __version__
from lead_sla import build as job
from lead_sla import publish as publishing
from lead_sla.errors import AS_THEY_WERE, LeadSlaError, RefusedInput, explain
from lead_sla.publish import PublishedRun
from lead_sla.settings import Settings, display
from lead_sla.terminal import make_console, print_list, stage

EXIT_CODES = """\b
Exit status:
  0  done (or nothing new since the last published run)
  1  failed: a model or check, a locked warehouse, a full disk
  2  refused: the raw data, the policy or an option is wrong
  5  another run is going on: nothing was done
Unless it is 0, the published marts are as they were.
"""
NIGHTLY_EXIT_CODES = """\b
Exit status:
  0  published, or nothing new since the last published run
  1  failed: a model or check, a locked warehouse, a full disk
  2  refused: what landed, the policy or an option is wrong
  3  stale: a table is late, or a rollback holds publishing back
  4  published, but a report or the dashboard did not get out
  5  another run is going on: nothing was done
With 1, 2 and 5, the published marts are as they were.
"""
PATHS = """\b
Paths (environment variables):
  LEAD_SLA_RAW        landed Parquet files, a folder a table (data/raw)
  LEAD_SLA_WAREHOUSE  the DuckDB file that dbt builds (data/warehouse.duckdb)
  LEAD_SLA_PUBLISHED  what readers open (data/published)
  LEAD_SLA_STATE      what runs remember of each other (data/state)
  LEAD_SLA_REPORT_CONFIG  who gets the daily report (config/report.yml)
  LEAD_SLA_CRM_LEAD_URL   the address of a lead in the CRM, with {lead_id} in it (crm_lead_url of the report's configuration)
  LEAD_SLA_COMPANY        the name above the dashboard's pages
  LEAD_SLA_POSTGRES_SCHEMA, LEAD_SLA_POSTGRES_READER  where to and who reads, with --target postgres
"""


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, epilog=f"{PATHS}\n{EXIT_CODES}"
)
@click.version_option(__version__, prog_name="lead-sla")
def cli() -> None:
    """The Sales and Marketing SLA, measured daily: from raw CRM tables to published marts."""


def _variables(context: click.Context, parameter: click.Parameter, value: str | None) -> dict[str, Any]:
    """Read --vars as dbt does: a YAML mapping."""
    try:
        variables = yaml.safe_load(value or "{}")
    except yaml.YAMLError:
        variables = None
    if not isinstance(variables, dict):
        raise click.BadParameter("give a YAML mapping such as '{pacing: business_days}'")
    # YAML reads a bare date or timestamp as one; dbt variables are texts and numbers.
    return json.loads(json.dumps(variables, default=str))


def _instant(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Read --as-of: a UTC instant without a zone."""
    if value is None:
        return None
    try:
        instant = datetime.fromisoformat(value.removesuffix("Z"))
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is not None:
        raise click.BadParameter("give an instant in UTC such as '2026-05-01 12:00:00', without another zone")
    return instant.isoformat(sep=" ")


def published_run(settings: Settings) -> PublishedRun:
    """Give what readers see now.

    Raises:
        LeadSlaError: nothing has been published yet.
    """
    run = publishing.current(settings.published)
    if run is None:
        raise LeadSlaError("Nothing has been published yet", where=str(settings.published), todo="run: lead-sla build")
    return run


@cli.command(epilog=EXIT_CODES)
@click.option(
    "--as-of",
    callback=_instant,
    metavar="UTC",
    help="Replay: know only what was known at this instant, such as '2026-05-01 12:00:00'.",
)
@click.option(
    "--vars",
    "variables",
    callback=_variables,
    metavar="YAML",
    help="dbt variables for this run, such as '{pacing: business_days}'.",
)
@click.option("--force", is_flag=True, help="Build also if nothing has changed since the last published run.")
@click.option(
    "--publish-to", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Publish to this folder."
)
def build(as_of: str | None, variables: dict[str, Any], force: bool, publish_to: Path | None) -> None:
    """Check the raw data and the policy, build, test, publish, summarise.

    Where there is no raw data, and LEAD_SLA_RAW does not say where it lies, a sample company is made first. Where nothing
    has changed since the last published run, nothing is built.

    A replay (--as-of) builds in a warehouse of its own (data/warehouse_replay.duckdb), and publishes only with --publish-to:
    it never touches what readers see.
    """
    if as_of:
        if variables.get("as_of"):
            raise click.UsageError("--as-of and the variable as_of say the same thing: give one of them")
        variables = {**variables, "as_of": as_of}
    job.build(
        Settings.from_environment(),
        make_console(),
        variables=variables,
        force=force,
        publish_to=publish_to.absolute() if publish_to else None,
    )


@cli.command(epilog=NIGHTLY_EXIT_CODES)
@click.option("--resume", is_flag=True, help="Go on where the last run failed, as far as its work still stands.")
@click.option("--force", is_flag=True, help="Build and publish also if nothing is new, or a rollback holds it back.")
@click.option(
    "--accept-counts", is_flag=True, help="Rows were taken away on purpose: begin the history of row counts anew."
)
@click.option("--target", type=click.Choice(["postgres"]), help="Copy the marts into a Postgres database, too.")
@click.option("--report/--no-report", default=True, show_default=True, help="Send the daily report.")
@click.option(
    "--now", callback=_instant, metavar="UTC", help="Run as if it began at this instant: for rehearsals with old data."
)
def nightly(resume: bool, force: bool, accept_counts: bool, target: str | None, report: bool, now: str | None) -> None:
    """Check what landed, build aside, publish or keep, tell people: what a schedule calls.

    Once a night, or every 15 minutes: a run that finds nothing new ends at once. What readers see is exchanged only when
    everything that must hold holds. docs/operations.md says what can go wrong, and what to do then.
    """
    from lead_sla.night import Options
    from lead_sla.night import nightly as run_night

    options = Options(
        force=force,
        resume=resume,
        accept_counts=accept_counts,
        report=report,
        postgres=target == "postgres",
        now=datetime.fromisoformat(now) if now else None,
    )
    sys.exit(run_night(Settings.from_environment(), make_console(), options))


@cli.command(epilog=EXIT_CODES)
@click.argument("run", default="", metavar="[RUN]")
def rollback(run: str) -> None:
    """Let readers see the version before this one again (or RUN), and hold scheduled publishing back.

    `lead-sla nightly --force` publishes again when the cause is mended; so does whoever builds or publishes by hand.
    """
    settings, console = Settings.from_environment(), make_console()
    chosen = publishing.rollback(settings.published, run)
    console.print(f"Readers see {chosen.run} again: as of {chosen.as_of:%Y-%m-%d %H:%M} UTC", soft_wrap=True)
    for other in reversed(publishing.kept(settings.published)):
        mark = "→" if other.run == chosen.run else " "
        console.print(f" {mark} {other.run}  published {other.record['published_at']} UTC", soft_wrap=True)
    if (settings.published / "dashboard").exists():
        from lead_sla.dashboard import write_dashboard

        write_dashboard(settings, chosen)
        console.print(
            "The dashboard shows it, too; Postgres does after: lead-sla publish --target postgres", soft_wrap=True
        )
    console.print("Scheduled runs publish nothing until: lead-sla nightly --force", soft_wrap=True)


@cli.command(epilog=EXIT_CODES)
@click.option("--run", metavar="RUN", help="One run in detail.")
@click.option("--limit", type=click.IntRange(min=1), default=14, show_default=True, help="How many runs.")
@click.option("--csv", "as_csv", is_flag=True, help="Every row, as CSV.")
def history(run: str | None, limit: int, as_csv: bool) -> None:
    """Show the last runs: how they ended, how long each stage takes, which tests fail.

    With SQL: duckdb -c "from 'data/state/history/*.parquet'"; docs/operations.md names the columns.
    """
    from lead_sla.history import show_history

    settings = Settings.from_environment()
    show_history(settings.state, make_console(), limit=limit, run=run, as_csv=as_csv)


@cli.command(epilog=EXIT_CODES)
@click.option(
    "--target",
    type=click.Choice(["files", "postgres"]),
    default="files",
    show_default=True,
    help="What to make of what: files of the warehouse, or tables in Postgres of the published files.",
)
def publish(target: str) -> None:
    """Publish the warehouse as it is, after a dbt build by hand; or copy what is published into Postgres.

    The copy is verified, but the checks of the build are not repeated: see that dbt ended green. Postgres is named by libpq's
    variables (PGHOST, PGDATABASE, ...); docs/postgres.md explains it.
    """
    settings, console = Settings.from_environment(), make_console()
    if target == "postgres":
        from lead_sla.publish_postgres import publish_to_postgres

        published = published_run(settings)
        with stage(console, "Postgres") as current:
            rows = publish_to_postgres(published, doing=current.doing)
            current.result(f"{len(rows)} marts, {sum(rows.values()):,} rows")
        return
    if not settings.warehouse.exists():
        raise LeadSlaError(
            "There is no warehouse to publish", where=str(settings.warehouse), todo="build it: lead-sla build"
        )
    with job.only_run(settings), stage(console, "Publish") as current:
        current.doing("copying and verifying")
        run = publishing.publish(settings.warehouse, settings.published)
        current.result(f"{len(run.rows)} marts, {sum(run.rows.values()):,} rows in {display(settings.published)}")
    job.show_published(settings, console, run)


@cli.command(epilog=EXIT_CODES)
def summary() -> None:
    """Print the summary of the published marts again."""
    settings, console = Settings.from_environment(), make_console()
    run = published_run(settings)
    job.show_notes(console, run.record)
    job.show_published(settings, console, run)


@cli.command(epilog=EXIT_CODES)
@click.option(
    "--leads", type=click.IntRange(min=1), default=job.SAMPLE_LEADS, show_default=True, help="How many leads."
)
@click.option(
    "--days", type=click.IntRange(min=2), default=job.SAMPLE_DAYS, show_default=True, help="Over how many days."
)
@click.option("--seed", type=int, default=job.SAMPLE_SEED, show_default=True, help="Equal seeds give equal data.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="The raw folder to make [default: LEAD_SLA_RAW]."
)
def sample(leads: int, days: int, seed: int, out: Path | None) -> None:
    """Make the raw data of a sample company, which is not real."""
    settings, console = Settings.from_environment(), make_console()
    folder = (out or settings.raw).absolute()
    with stage(console, "Sample data") as current:
        current.doing(f"making {leads:,} leads over {days:,} days")
        rows = job.sample(folder, leads, days, seed)
        current.result(", ".join(f"{count:,} {table}" for table, count in rows.items()))
    console.print(f"  in {display(folder)}; counts are rows, of which a lead or an activity may have several versions")


@cli.command(epilog=EXIT_CODES)
@click.option(
    "--now",
    callback=_instant,
    metavar="UTC",
    help="Judge ages, and what lies in the future, by this instant instead of the clock.",
)
@click.option(
    "--accept-counts", is_flag=True, help="Rows were taken away on purpose: begin the history of row counts anew."
)
def check(now: str | None, accept_counts: bool) -> None:
    """Check what was landed, without building anything (Great Expectations).

    Errors are refused; warnings are told. The page shows every check. docs/data-checks.md explains them.
    """
    from lead_sla.gate import run_gate  # with Jinja2 and a child process: only this command needs it

    settings, console = Settings.from_environment(), make_console()
    with stage(console, "Landed data") as current:
        result = run_gate(
            settings,
            now=datetime.fromisoformat(now) if now else None,
            accept_counts=accept_counts,
            doing=current.doing,
        )
        rows = sum(load.row_count for load in result.loads.values())
        current.result(f"{result.checks} checks of {rows:,} rows", warn=bool(result.warnings))
        if not result.is_accepted:
            raise result.refusal()
    job.show_notes(console, {"findings": [finding.sentence for finding in result.warnings]})
    console.print(f"\nEvery check: {display(result.page)}", soft_wrap=True)


@cli.command(epilog=EXIT_CODES)
@click.option(
    "--dry-run",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write what would be sent into this folder, and send nothing.",
)
@click.option("--only", metavar="NAME", help="One recipient or channel of the configuration.")
@click.option(
    "--published",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Report on the marts published there [default: LEAD_SLA_PUBLISHED].",
)
@click.option("--again", is_flag=True, help="Send also what was sent today, or may have been.")
def report(dry_run: Path | None, only: str | None, published: Path | None, again: bool) -> None:
    """Send the daily report to everybody who has not got it today.

    Who gets what is in config/report.yml (or LEAD_SLA_REPORT_CONFIG); the mail server is in LEAD_SLA_SMTP_*. See docs/report.md.
    """
    from lead_sla import report as reporting

    settings, console = Settings.from_environment(), make_console()
    with stage(console, "Report") as current:
        current.doing("reading the marts")
        if dry_run:
            result = reporting.write_reports(dry_run.absolute(), settings, published=published, only=only)
        else:
            result = reporting.send_reports(settings, published=published, only=only, again=again)
        current.result(result.summary(), warn=not result.is_ok)
    print_list(console, [outcome.sentence() for outcome in result.outcomes])
    if not result.is_ok:
        trouble = len(result.trouble)
        raise LeadSlaError(
            f"{trouble} of {len(result.outcomes)} did not get the report, or may not have",
            todo="mend what the list above says and run this again: whoever got it does not get it twice",
        )


@cli.command(epilog=EXIT_CODES)
@click.option(
    "--published",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Of the marts published there [default: LEAD_SLA_PUBLISHED].",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="What readers open [default: dashboard beside the published marts].",
)
@click.option("--open", "opens", is_flag=True, help="Open it in the browser.")
def dashboard(published: Path | None, out: Path | None, opens: bool) -> None:
    """Write the dashboard of the published marts: a folder of pages that needs no server and no network.

    `lead-sla nightly` writes it after each publication.
    """
    from lead_sla.dashboard import write_dashboard

    settings, console = Settings.from_environment(), make_console()
    with stage(console, "Dashboard") as current:
        site = write_dashboard(settings, published.absolute() if published else None, out, doing=current.doing)
        current.result(f"{len(site.pages)} pages in {display(site.folder)}")
    first = site.folder / "index.html"
    console.print(f"\nOpen: {first.as_uri()}", soft_wrap=True)
    if opens:
        click.launch(str(first))


@cli.command(epilog=EXIT_CODES)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The workbook [default: lead-sla_<day of as_of>.xlsx here].",
)
@click.option(
    "--published",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Show the marts published there [default: LEAD_SLA_PUBLISHED].",
)
@click.option(
    "--sees",
    default="all",
    show_default=True,
    metavar="WHO",
    help="Whose leads: all, team=NAME, manager=REP_ID (and everybody below) or rep=REP_ID.",
)
def export(out: Path | None, published: Path | None, sees: str) -> None:
    """Write the day's lists and scorecards as an Excel workbook. See docs/export.md."""
    from lead_sla.export import export as write_workbook  # with XlsxWriter: only this command needs it
    from lead_sla.export import parse_scope

    settings, console, scope = Settings.from_environment(), make_console(), parse_scope(sees)
    with stage(console, "Workbook") as current:
        result = write_workbook(settings, out, published=published, scope=scope, doing=current.doing)
        current.result(
            f"{len(result.sheets)} sheets of figures, {sum(result.sheets.values()):,} rows in {display(result.path)}"
        )


@cli.command(epilog=EXIT_CODES)
@click.option(
    "--target", type=click.Choice(["postgres", "spark"]), required=True, help="The engine whose schema raw is filled."
)
def load(target: str) -> None:
    """Bring landed Parquet into schema `raw` of an engine with tables of its own: each file once.

    Postgres is named by libpq's variables (PGHOST, PGDATABASE, ...), Spark by LEAD_SLA_SPARK_*. Nothing is ever taken back;
    docs/loading.md explains it.
    """
    if target == "postgres":
        from lead_sla.load import load_into_postgres as load_into
    else:
        from lead_sla.load_spark import load_into_spark as load_into

    settings, console = Settings.from_environment(), make_console()
    with stage(console, "Load") as current:
        tables = load_into(settings, doing=current.doing)
        findings = [finding for table in tables for finding in table.findings()]
        files, rows, known = (sum(getattr(table, of) for table in tables) for of in ("files", "rows", "known"))
        current.result(f"{rows:,} rows of {files:,} new files; {known:,} files were known", warn=bool(findings))
    print_list(console, findings)


def main() -> NoReturn:
    """Run the command line; everything that can go wrong ends in one message on the standard error."""
    # A stop from outside (a scheduler, a shutdown) unwinds like Ctrl-C, so that nothing half-made is left.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    # The warehouse and what runs remember hold addresses of leads: nobody else reads them. What is published sets its own modes.
    os.umask(0o077)
    try:
        cli.main(prog_name="lead-sla", standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo(f"\nStopped. {AS_THEY_WERE}", err=True)
        sys.exit(130)
    except LeadSlaError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(RefusedInput.exit_code)
    except (OSError, duckdb.Error) as error:
        known = explain(error, "Reading or writing a file")
        known.show()
        sys.exit(known.exit_code)
    sys.exit(0)
