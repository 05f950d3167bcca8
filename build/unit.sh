#!/usr/bin/env bash
# Usage: unit.sh [FLAGS OF GO TEST]
# Runs the tests of every package but the house test and the stories, which are
# stages of their own. In CI no test may be skipped, but for those below.
set -euo pipefail

# They are run by other tests or in another stage; and a container may not let a real systemd run.
elsewhere='^(TestMutants|TestHunt|TestLeaseFreezeChild|TestStation|TestRealSystemd)$'

mapfile -t packages < <(go list ./... | grep -vE '^lubdub$|^lubdub/test$')
if [ "${CI:-}" != true ]; then
	exec go test -count=1 -timeout=15m "$@" "${packages[@]}"
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
go test -count=1 -timeout=15m -v "$@" "${packages[@]}" >"$log" 2>&1 || {
	grep -vE '^(=== (RUN|PAUSE|CONT|NAME)|PASS$)|^ *--- (PASS|SKIP): ' "$log" >&2
	exit 1
}
grep -E '^(ok|\?)' "$log"
skipped=$(sed -nE 's/^ *--- SKIP: ([^ ]+).*/\1/p' "$log" | grep -vE "$elsewhere" || true)
if [ -n "$skipped" ]; then
	echo "skipped, which is not allowed in CI:" >&2
	for name in $skipped; do
		grep -B 2 -- "--- SKIP: $name " "$log" >&2
	done
	exit 1
fi
