#!/usr/bin/env bash
# Usage: watchdog.sh
# Tells the stories of the watchdog in guests of qemu: machines that may be reset.
# The kernel is Debian's, downloaded and unpacked into bin/guest, not installed.
# Where qemu or the kernel cannot be had, it says so and skips; in CI it fails.
set -euo pipefail

skip() {
	echo "watchdog: skipped: $1" >&2
	[ "${CI:-}" != true ] || exit 1
	exit 0
}

command -v qemu-system-x86_64 >/dev/null || skip "no qemu-system-x86_64 (Debian: qemu-system-x86)"
[ "$(go env GOARCH)" = amd64 ] || skip "the guest is made for amd64, this is $(go env GOARCH)"

guest=$PWD/bin/guest
if ! ls "$guest"/boot/vmlinuz-* >/dev/null 2>&1; then
	for tool in apt-get apt-cache dpkg-deb; do
		command -v $tool >/dev/null || skip "no $tool to get a kernel with"
	done
	# The cloud kernel is smaller, but has neither the emulated card nor IPMI.
	package=$(apt-cache depends linux-image-amd64 2>/dev/null | sed -nE 's/^ *Depends: (linux-image-[0-9].*)/\1/p' | head -n 1)
	[ -n "$package" ] || skip "apt knows no linux-image-amd64: apt-get update"
	echo "watchdog: downloading $package (70 MB)"
	rm -rf "$guest"
	mkdir -p "$guest/deb"
	(cd "$guest/deb" && apt-get download -qq -o APT::Sandbox::User=root "$package") || skip "$package cannot be downloaded"
	dpkg-deb -x "$guest"/deb/*.deb "$guest"
	rm -rf "$guest/deb"
fi

# Both the program and the test run in a guest that has no libraries.
export CGO_ENABLED=0 LUBDUB_GUEST_KERNEL=$guest
go test -count=1 -timeout=30m ./test -run='^TestWatchdog' -v
