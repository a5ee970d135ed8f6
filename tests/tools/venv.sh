#!/bin/sh
# Makes a Python environment with packages at fixed versions: venv.sh FOLDER PACKAGE==VERSION...
# What is there already is used again; what was begun and broke off is begun anew.
set -eu

folder="$1"
shift
wanted="$*"
stamp="$folder/installed"

if [ "$(cat "$stamp" 2>/dev/null || true)" = "$wanted" ]; then
    exit 0
fi
command -v python3 >/dev/null 2>&1 || { echo "missing: python3" >&2; exit 1; }
rm -rf "$folder"
python3 -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
printf '%s\n' "$wanted" >"$stamp"
