#!/usr/bin/env bash
# Usage: need.sh PACKAGE:COMMAND... (or PACKAGE:/FILE)
# Looks for each command or file. As root on Debian it installs the packages of
# what is missing and says which; otherwise it says what to install, and goes on.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

command -v go >/dev/null || {
	echo "need: there is no go command: install Go 1.26 or newer from https://go.dev/dl and put it into PATH" >&2
	exit 1
}

missing=()
for pair in "$@"; do
	package=${pair%%:*} wanted=${pair#*:}
	case $wanted in
	/*) [ -e "$wanted" ] || missing+=("$package") ;;
	*) command -v "$wanted" >/dev/null || missing+=("$package") ;;
	esac
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "need: missing here: ${missing[*]}" >&2
	echo "need: install with: apt-get install --no-install-recommends ${missing[*]}" >&2
	echo "need: going on without; what depends on it is skipped or fails" >&2
	exit 0
fi

echo "need: installing ${missing[*]}"
# Debian starts a service when it is installed. Nobody asked for a web server
# here, so starting is refused for the time of the installation.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	trap 'rm -f $policy' EXIT
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod 755 $policy
fi
export DEBIAN_FRONTEND=noninteractive
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
	{ apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; }
echo "need: installed ${missing[*]}; no service was started, but those of them that are services start at the next boot (systemctl disable ...)"
