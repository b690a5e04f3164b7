#!/bin/sh
# Fuzzes a server from its own description: no 5xx, no status that is not described.
#
#   python3 -m venv DIR && DIR/bin/pip install 'schemathesis>=4'
#   bench/fuzz-api.sh DIR/bin/schemathesis [EXAMPLES]
#
# Serves a home of its own with one catalogue, on loopback, and removes it afterwards. TWINSET names the binary.
set -eu
tool=$1 examples=${2:-30}
twinset=${TWINSET:-target/release/twinset}
home=$(mktemp -d)
"$twinset" serve --home "$home" --listen 127.0.0.1:0 --json >"$home/said" &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null || true; rm -rf "$home"' EXIT
until [ -s "$home/said" ]; do sleep 0.1; done
at=$(sed 's/.*"address":"\([^"]*\)".*/\1/' "$home/said")
put() { curl -sf -X PUT -H "content-type: $2" --data-binary "$3" "${at}v1/catalogues/$1" >/dev/null; }
put main application/json '{}'
for id in a b; do put "main/products/$id" application/json '{"title":"A","color":["red"],"price":{"amount":"12.50","currency":"EUR"}}'; done
put main/sources/feed application/json '{}'
# Four by four pixels.
printf %s iVBORw0KGgoAAAANSUhEUgAAAAQAAAAECAIAAAAmkwkpAAAAEElEQVR4nGM4q6EBRwzEcQDZsxHRuf4jQQAAAABJRU5ErkJggg== | base64 -d >"$home/photo"
put main/products/a/images/main image/png "@$home/photo"
# Keys stay out: the first one made would close the server to the fuzzer.
here=$(cd "$(dirname "$0")" && pwd)/fuzz
PYTHONPATH=$here SCHEMATHESIS_HOOKS=hooks "$tool" --config-file "$here/schemathesis.toml" run "${at}openapi.json" \
    --checks not_a_server_error,status_code_conformance,content_type_conformance \
    --exclude-path /v1/keys --max-examples "$examples" --workers 1 --continue-on-failure \
    --phases examples,coverage,fuzzing
