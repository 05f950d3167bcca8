#!/usr/bin/env bash
# Usage: models.sh [WORD...]
# Searches the models of docs/models through and compares with docs/models/expected.txt;
# with words, only the lines that hold one of them. Prints the table of results, and fails
# when one differs, when a search did not reach every state, or when the number of states of
# what holds has changed by more than a factor of ten (then the question has changed too).
# Where a rule is missing the search ends at the first bad state, so its number means little.
set -euo pipefail

models=$(cd "$(dirname "$0")/../docs/models" && pwd)
table=$models/expected.txt
depth=6000000 # steps of the longest path that a search follows; about 350 MB
limit=2000    # MB for one search; two run at a time

for tool in spin gcc; do
	command -v $tool >/dev/null || {
		echo "models: there is no $tool: apt-get install --no-install-recommends spin gcc libc6-dev" >&2
		exit 1
	}
done

# search NUMBER MODEL EXPECTED STATES OPTION... leaves one line of the table in the file NUMBER.
search() {
	local number=$1 model=$2 expected=$3 about=$4 began states verdict=holds note=""
	shift 4
	mkdir "$work/$number.d" && cd "$work/$number.d"
	spin -a "$@" "$models/$model.pml" >out 2>&1 &&
		gcc -w -O2 -DSAFETY -DMEMLIM=$limit -o pan pan.c >>out 2>&1 || {
		echo "FAILED $model $* does not compile: $(tail -n 1 out)" >"$work/$number"
		return 0
	}
	began=$(date +%s%N)
	./pan -m$depth >out 2>&1 || true
	states=$(sed -nE 's/^ *([0-9.e+]+) states, stored.*/\1/p' out)
	states=$(printf '%.0f' "${states:-0}")
	if grep -q 'assertion violated' out; then
		verdict=violated
	elif ! grep -q 'errors: 0' out || grep -qE 'max search depth too small|out of memory' out; then
		verdict=UNFINISHED note="  <-- not every state was reached"
	fi
	[ "$verdict" = "$expected" ] || note="  <-- expected: $expected"
	if [ -z "$note" ] && [ $verdict = holds ] && ((states * 10 < about || states > about * 10)); then
		note="  <-- expected about $about states"
	fi
	printf '%-8s %-9s %10d %5d.%ds  %s%s\n' "$model" "$verdict" "$states" \
		$((($(date +%s%N) - began) / 1000000000)) $((($(date +%s%N) - began) / 100000000 % 10)) "${*:-as it stands}" "$note" >"$work/$number"
	cd "$work" && rm -rf "$number.d"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '%-8s %-9s %10s %8s  %s\n' model result states time options
count=0
while read -r model expected about options; do
	case $model in '' | '#'*) continue ;; esac
	if [ $# -gt 0 ]; then
		grep -qF "$(printf '%s\n' "$@")" <<<"$model $options" || continue
	fi
	while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n; done
	count=$((count + 1))
	# shellcheck disable=SC2086 # options are several words
	search "$(printf %03d $count)" "$model" "$expected" "$about" $options &
done <"$table"
wait
cat "$work"/[0-9]*
if grep -qE '<--|^FAILED' "$work"/[0-9]*; then
	echo "models: a result differs from docs/models/expected.txt" >&2
	exit 1
fi
echo "models: all $count searches as expected, in $SECONDS s"
