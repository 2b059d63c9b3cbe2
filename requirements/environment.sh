#!/usr/bin/env bash
# Makes the environment .venv from the locked, hashed requirements, and makes it anew when the lock has changed.
# `.venv/.ready` is written last and names the lock it was made from: a half-made environment is never taken for a good one.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv lock=requirements/dev.txt ready=.venv/.ready

stamp() { { cat "$@"; pwd; } | cksum | tr -d ' \n'; } # with the folder: an environment cannot be moved
want_lock=$(stamp "$lock")
want_project=$(stamp pyproject.toml "requirements/environment.sh")
read -r have_lock have_project 2>/dev/null <"$ready" || have_lock='' have_project=''
[ "$have_lock $have_project" = "$want_lock $want_project" ] && [ -x "$venv/bin/python" ] && exit 0

# Is this a Python from 3.11 up to, but without, 3.$2, that can make environments?
fits() { "$1" -c "import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, $2))" >/dev/null 2>&1; }

find_python() {
    local candidate
    # dbt is tested up to 3.13: a newer one is taken only where there is no other.
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python}; do
        if fits "$candidate" 14; then echo "$candidate"; return; fi
    done
    for candidate in ${PYTHON:-python3 python3.14 python}; do
        if fits "$candidate" 99; then echo "$candidate"; return; fi
    done
    echo "No Python 3.11 or newer with the venv module was found." \
        "Install one (on Debian: python3 and python3-venv), or name it: make build PYTHON=/path/to/python3.12" >&2
    return 1
}

# One line that counts the packages; everything pip said goes to the log, and to the terminal if it fails.
install() {
    local total log=$venv/install.log
    total=$(grep -c '==' "$lock")
    if [ -t 1 ]; then show=1; else show=0; fi
    if ! "$venv/bin/python" -m pip install --disable-pip-version-check --no-input --no-compile --progress-bar off \
        --require-hashes --no-deps -r "$lock" 2>&1 | tee "$log" |
        awk -v total="$total" -v show=$show '/^Collecting / && show { printf "\r  packages  %d of %d", ++n, total; fflush() }
                                             /^Installing / && show { printf "\r  packages  installing %d ...", total; fflush() }
                                             END { if (show) printf "\r\033[K" }'; then
        grep -E '^(ERROR|WARNING|error)' "$log" >&2 || tail -n 20 "$log" >&2
        echo "The packages could not be installed; the whole output stands in $log. Mend the cause (often the network), and run it again." >&2
        return 1
    fi
}

if [ "$have_lock" != "$want_lock" ] || [ ! -x "$venv/bin/python" ]; then
    python=$(find_python)
    echo "Setting up $venv from $lock with $("$python" --version) (once, a minute or two)"
    rm -rf "$venv"
    "$python" -m venv "$venv"
    install
    # Compiled once here, dbt starts in half the time, also where PYTHONDONTWRITEBYTECODE is set.
    "$venv/bin/python" -m compileall -q -j 0 "$venv/lib" || true
fi
rm -f "$ready"
"$venv/bin/python" -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
echo "$want_lock $want_project" >"$ready"
