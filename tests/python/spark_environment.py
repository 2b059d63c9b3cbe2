"""Spark's own environment, and programs that run in it: the tests themselves run where there is no Spark."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
JAVA = 17
QUIET = """\
rootLogger.level = fatal
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %p %c{1}: %m%n
"""


def spark_python() -> Path:
    """The interpreter of Spark's environment; skip the test, saying why, where it or Java is missing."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin" if home else None)
    if java is None:
        pytest.skip(
            f"there is no Java on this machine, and Spark needs {JAVA} or newer (Debian: apt-get install default-jre-headless)"
        )
    told = subprocess.run([java, "-version"], capture_output=True, text=True).stderr
    version = re.search(r'version "(\d+)', told)
    if not version or int(version[1]) < JAVA:
        pytest.skip(f"Spark needs Java {JAVA} or newer, and this is {told.splitlines()[0]}")
    python = Path(os.environ.get("SPARK_ENV") or PROJECT / "target/spark-env") / "bin/python"
    if not python.exists():
        pytest.skip(f"there is no Spark in {python.parents[1]}: deploy/spark/environment.sh makes it")
    return python.absolute()


def spark_variables(home: Path, **further: str) -> dict[str, str]:
    """The environment variables of a Spark of its own, whose tables, catalog and state lie in `home`."""
    conf = home / "conf"
    conf.mkdir(parents=True, exist_ok=True)
    (conf / "log4j2.properties").write_text(QUIET)
    return {
        "LEAD_SLA_SPARK_HOME": str(home),
        "LEAD_SLA_SPARK_MASTER": "local[2]",
        "LEAD_SLA_SPARK_PARTITIONS": "4",
        "LEAD_SLA_SPARK_THREADS": "4",
        "LEAD_SLA_STATE": str(home / "state"),
        "SPARK_CONF_DIR": str(conf),
        "SPARK_LOCAL_IP": "127.0.0.1",  # whatever the name of this machine leads to
        # Hundreds of small statements: to compile them well costs more than they take.
        "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "PYTHONPATH": str(PROJECT),
        **further,
    }


def run_in_spark(
    *command: str, variables: Mapping[str, str], folder: Path = PROJECT
) -> subprocess.CompletedProcess[str]:
    """Run `python command...` in Spark's environment, and return its exit status and output."""
    return subprocess.run(
        [str(spark_python()), *command], cwd=folder, env={**os.environ, **variables}, capture_output=True, text=True
    )
