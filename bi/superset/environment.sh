#!/usr/bin/env bash
# Makes Superset's environment (target/superset-env, or the folder that SUPERSET_ENV names) from the locked, hashed requirements, and
# makes it anew when the lock has changed. `.ready` is written last: a half-made environment is never taken for a good one.
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=${SUPERSET_ENV:-target/superset-env} lock=bi/superset/requirements.txt
want=$({ cat "$lock"; realpath -m "$venv"; } | cksum | tr -d ' \n') # with the folder: an environment cannot be moved
[ "$(cat "$venv/.ready" 2>/dev/null)" = "$want" ] && [ -x "$venv/bin/python" ] && exit 0

# Superset 6.1 is made for these.
for python in ${PYTHON:-python3.11 python3.12 python3}; do
    if "$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' >/dev/null 2>&1; then
        found=$python
        break
    fi
done
if [ -z "${found:-}" ]; then
    echo "Superset needs Python 3.11 or 3.12 with the venv module, and none was found." \
        "Install one, or name it: make superset PYTHON=/path/to/python3.12" >&2
    exit 1
fi

echo "Setting up Superset in $venv with $("$found" --version) (once, a minute or two)"
rm -rf "$venv"
"$found" -m venv "$venv"
log=$venv/install.log
# Two packages come as sources alone: setuptools, from the lock as well, builds them.
sed -n '/^setuptools==/,/[^\\]$/p' "$lock" >"$venv/setuptools.txt"
for requirements in "$venv/setuptools.txt" "$lock"; do
    if ! "$venv/bin/python" -m pip install --disable-pip-version-check --no-input --no-compile --progress-bar off \
        --require-hashes --no-deps --no-build-isolation -r "$requirements" >>"$log" 2>&1; then
        grep -E '^(ERROR|error)' "$log" >&2 || tail -n 20 "$log" >&2
        echo "The packages could not be installed; the whole output stands in $log. Mend the cause (often the network), and run it again." >&2
        exit 1
    fi
done
"$venv/bin/python" -m compileall -q -j 0 "$venv/lib" || true # Superset starts in half the time
echo "$want" >"$venv/.ready"
