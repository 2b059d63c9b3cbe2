#!/usr/bin/env bash
# Makes the environment of dbt on Spark (target/spark-env, or the folder that SPARK_ENV names) from the locked, hashed
# requirements, with this project in it, and makes it anew when the lock has changed. `.ready` is written last: a half-made
# environment is never taken for a good one.
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=${SPARK_ENV:-target/spark-env} lock=deploy/spark/requirements.txt
want=$({ cat "$lock" pyproject.toml; realpath -m "$venv"; } | cksum | tr -d ' \n') # with the folder: an environment cannot be moved
[ "$(cat "$venv/.ready" 2>/dev/null)" = "$want" ] && [ -x "$venv/bin/python" ] && exit 0

for python in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if "$python" -c 'import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' >/dev/null 2>&1; then
        found=$python
        break
    fi
done
if [ -z "${found:-}" ]; then
    echo "Spark's environment needs Python 3.11, 3.12 or 3.13 with the venv module, and none was found." \
        "Install one, or name it: make test-spark PYTHON=/path/to/python3.12" >&2
    exit 1
fi

echo "Setting up Spark in $venv with $("$found" --version) (once, a minute or two)"
rm -rf "$venv"
"$found" -m venv "$venv"
log=$venv/install.log
install() { "$venv/bin/python" -m pip install --disable-pip-version-check --no-input --no-compile --progress-bar off --no-deps --no-build-isolation "$@" >>"$log" 2>&1; }
# Some packages come as sources alone: setuptools, from the lock as well, builds them.
sed -n '/^setuptools==/,/[^\\]$/p' "$lock" >"$venv/setuptools.txt"
if ! { install --require-hashes -r "$venv/setuptools.txt" && install --require-hashes -r "$lock" && install --editable .; }; then
    grep -E '^(ERROR|error)' "$log" >&2 || tail -n 20 "$log" >&2
    echo "The packages could not be installed; the whole output stands in $log. Mend the cause (often the network), and run it again." >&2
    exit 1
fi
"$venv/bin/python" -m compileall -q -j 0 "$venv/lib" || true # dbt starts in half the time
echo "$want" >"$venv/.ready"
