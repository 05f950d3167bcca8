#!/usr/bin/env bash
# Usage: stages.sh TARGET...
# Makes one target after the other under a heading each, and stops at the first
# that fails.
set -euo pipefail

if [ "${CI:-}" = true ] && [ "$(id -u)" != 0 ]; then
	echo "in CI nothing may be skipped, and what needs network namespaces needs root: run it as root" >&2
	exit 1
fi

n=0
for stage in "$@"; do
	n=$((n + 1)) began=$SECONDS
	printf '\n======== %d of %d: %s ========\n' $n $# "$stage"
	make --no-print-directory "$stage" || {
		printf '\n======== FAILED: %s, after %d s (alone: make %s) ========\n' "$stage" $((SECONDS - began)) "$stage" >&2
		exit 1
	}
	printf '%s: %d s\n' "$stage" $((SECONDS - began))
done
printf '\n======== all %d stages passed in %d s ========\n' $# $SECONDS
