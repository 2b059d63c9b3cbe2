"""Lands the next nightly load of a company in its raw folder: 0.1 % more data, without touching a file that is there.

    python benchmarks/next_load.py data/raw --share 0.001

The load comes at 02:00 of the day after the newest one, in folders `loaded_date=...` of its own. next_load.sql says what is in
it; it is the same for the same raw data.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import duckdb
import yardstick

SCRIPT = Path(__file__).resolve().parent / "next_load.sql"
SHARE = 0.001
TABLES = ("leads", "activities", "owner_changes", "deals")


def land(raw: Path, share: float = SHARE) -> dict[str, float]:
    """Add the next load to a raw folder.

    Args:
        raw: holds the tables of the contract, each in folders `loaded_date=YYYY-MM-DD`.
        share: how many new leads there are, and of how many others there is news, as a share of all leads.

    Returns:
        `rows` and `mb` that were added, and `leads` that any of them is about.
    """
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false; SET TimeZone = 'UTC'")
        yardstick.read_inputs(connection, raw, yardstick.PROJECT / "seeds/policy")
        newest = " UNION ALL ".join(f"SELECT max(_loaded_at) AS newest FROM raw.{table}" for table in TABLES)
        connection.execute(f"SET VARIABLE since = (SELECT max(newest) FROM ({newest}))")
        connection.execute("SET VARIABLE loaded_at = date_trunc('day', getvariable('since')) + INTERVAL 26 HOUR")
        connection.execute(f"SET VARIABLE share = {float(share)}")
        connection.execute(SCRIPT.read_text())
        day = connection.execute("SELECT getvariable('loaded_at')::DATE").fetchall()[0][0]
        added = {"rows": 0, "mb": 0.0}
        for table in TABLES:
            folder = raw / table / f"loaded_date={day}"
            folder.mkdir()
            file = folder / "part-00000.parquet"
            (rows,) = connection.execute(
                f"COPY (FROM {table} ORDER BY ALL) TO '{_quoted(file)}' (FORMAT parquet)"
            ).fetchall()[0]
            added = {"rows": added["rows"] + rows, "mb": added["mb"] + file.stat().st_size / 1e6}
        about = " UNION ".join(f"SELECT lead_id FROM {table}" for table in TABLES)
        (leads,) = connection.execute(f"SELECT count(*) FROM ({about})").fetchall()[0]
    return {**added, "leads": leads}


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def main() -> None:
    """Land the load that the command line asks for, and print what was added as a JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("raw", type=Path, help="the folder of the landed tables")
    parser.add_argument("--share", type=float, default=SHARE, help="of the leads (default: 0.001)")
    options = parser.parse_args()
    print(json.dumps(land(options.raw, options.share)))


if __name__ == "__main__":
    main()
