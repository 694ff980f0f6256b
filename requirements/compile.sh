#!/bin/sh
# Pin and hash every third-party version, for Python 3.11 and 3.12. Needs uv on the PATH.
set -eu
cd "$(dirname "$0")"
touch dev.txt
for name in dev shared gateway-ibkr gateway-dydx indicators risk oms recorder simulators desk image bench; do
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --constraint dev.txt \
        --output-file "$name.txt" "$name.in"
done
uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --output-file manifests.txt manifests.in
