# make demo and make test do everything on a bare Debian 12 with Go 1.26 and root:
# what they lack they install, and say so.

PREFIX  ?= /usr/local
UNITDIR ?= $(PREFIX)/lib/systemd/system

SCHEDULES ?= 10000
FUZZTIME  ?= 20s
MINUTES   ?= 2
SEED      ?= 1

# staticcheck runs at this version, out of the module cache; it is in no module file of ours.
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

# A source tree that is no checkout of ours (a tar file, another user's) has no revision to put in.
BUILDVCS = $(shell git rev-parse HEAD >/dev/null 2>&1 && echo auto || echo false)

# PACKAGE:COMMAND or PACKAGE:/FILE, for build/need.sh.
NEED_DEMO = nftables:nft
NEED_TEST = $(NEED_DEMO) gcc:gcc libc6-dev:/usr/include/stdlib.h spin:spin git:git patch:patch iproute2:ip procps:ps \
	tcpdump:tcpdump tshark:tshark arping:arping curl:curl openssl:openssl dbus-daemon:dbus-daemon \
	apache2:/usr/sbin/apache2 resource-agents:/usr/lib/ocf/resource.d/heartbeat/apache heartbeat:/usr/libexec/heartbeat/heartbeat \
	nginx-light:/usr/sbin/nginx fence-agents:/usr/sbin/fence_dummy cluster-glue:/usr/sbin/stonith \
	rsync:rsync openssh-client:ssh openssh-server:/usr/sbin/sshd \
	postgresql:/usr/bin/pg_createcluster redis-server:redis-server squid:/usr/sbin/squid \
	iptables:/usr/sbin/iptables-nft kmod:modprobe e2fsprogs:mkfs.ext4
NEED_BENCH = $(NEED_TEST) keepalived:/usr/sbin/keepalived
NEED_MODELS = spin:spin gcc:gcc libc6-dev:/usr/include/stdlib.h

NEED_WATCHDOG = qemu-system-x86:qemu-system-x86_64

.DEFAULT_GOAL = build
.PHONY: build demo test check bench watchdog install clean \
	format vet staticcheck tidy house unit sim mutants models fuzz stories chaos cross

build:
	CGO_ENABLED=0 go build -trimpath -buildvcs=$(BUILDVCS) -ldflags "-s -w" -o bin/lubdub ./cmd/lubdub

demo:
	@build/need.sh $(NEED_DEMO)
	@$(MAKE) --no-print-directory build
	@bin/lubdub demo

# The stages of make test, in this order; each is a target of its own.
STAGES = format vet staticcheck tidy house unit sim mutants models fuzz stories chaos cross

test: FUZZTIME = 5s
test:
	@build/need.sh $(NEED_TEST)
	@FUZZTIME=$(FUZZTIME) build/stages.sh $(STAGES)

# What takes seconds, for the time between two edits.
check: format vet staticcheck tidy house

format:
	@wrong=$$(gofmt -l .); [ -z "$$wrong" ] || { echo "not as gofmt writes it; run gofmt -w on:"; echo "$$wrong"; exit 1; }

vet:
	go vet ./...

staticcheck:
	go run $(STATICCHECK) ./...

tidy:
	go mod tidy -diff

house:
	go test -count=1 .

unit:
	build/unit.sh -race -shuffle=on

sim:
	go test -count=1 -timeout=30m ./internal/sim -run='^TestSchedules$$' -v -schedules=$(SCHEDULES)

mutants:
	go test -count=1 -timeout=30m ./internal/sim -run='^TestMutants$$' -v -mutants

# The rules as models, searched through; what is expected stands in docs/models/expected.txt.
models:
	@build/need.sh $(NEED_MODELS)
	build/models.sh

fuzz:
	FUZZTIME=$(FUZZTIME) build/fuzz.sh

stories:
	go test -count=1 -timeout=40m ./test/...

# Faults to real processes, for MINUTES nights of about a minute each, from SEED on.
chaos:
	@[ "$$(id -u)" = 0 ] || { echo "chaos: skipped: its judge captures packets, which needs root"; exit 0; }; \
	go run ./bench chaos -minutes $(MINUTES) -seed $(SEED)

# 32 bits and another byte layout: programs and tests must at least compile.
cross:
	GOARCH=386 CGO_ENABLED=0 go vet ./...
	GOARCH=386 CGO_ENABLED=0 go build -o /dev/null ./cmd/lubdub
	GOARCH=arm64 CGO_ENABLED=0 go vet ./...
	GOARCH=arm64 CGO_ENABLED=0 go build -o /dev/null ./cmd/lubdub

bench:
	@build/need.sh $(NEED_BENCH)
	go run ./bench

# Not a stage of make test: it downloads a kernel of 70 MB and boots some ten guests.
watchdog:
	@build/need.sh $(NEED_WATCHDOG)
	build/watchdog.sh

install: build
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(UNITDIR) $(DESTDIR)$(PREFIX)/lib/sysusers.d $(DESTDIR)$(PREFIX)/lib/tmpfiles.d
	install -d $(DESTDIR)/etc/ha.d/resource.d $(DESTDIR)/var/lib/lubdub
	install -m 0755 bin/lubdub $(DESTDIR)$(PREFIX)/sbin/lubdub
	sed 's|/usr/sbin/lubdub|$(PREFIX)/sbin/lubdub|g' dist/lubdub.service > $(DESTDIR)$(UNITDIR)/lubdub.service
	chmod 0644 $(DESTDIR)$(UNITDIR)/lubdub.service
	install -m 0644 dist/sysusers.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/lubdub.conf
	install -m 0644 dist/tmpfiles.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/lubdub.conf
	install -d $(DESTDIR)$(PREFIX)/share/doc/lubdub
	install -m 0644 README.md docs/*.md $(DESTDIR)$(PREFIX)/share/doc/lubdub
ifeq ($(DESTDIR),)
	systemd-sysusers $(abspath $(PREFIX))/lib/sysusers.d/lubdub.conf
	systemd-tmpfiles --create $(abspath $(PREFIX))/lib/tmpfiles.d/lubdub.conf
	[ ! -d /run/systemd/system ] || systemctl daemon-reload
	@echo "installed; next: lubdub init, or your three files in /etc/ha.d; then: lubdub check"
endif

clean:
	rm -rf bin
