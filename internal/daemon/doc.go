// Package daemon joins the core and the edges: it is the only place where they meet.
//
//	sockets ─▶ verify ─▶┐                      ┌─▶ links
//	netlink ───────────▶│                      ├─▶ the kernel's lease
//	fronts ────────────▶├─▶ loop ─▶ Machine ─▶ ├─▶ agents, addresses
//	agents' outcomes ──▶│         (one step)   ├─▶ probes, announcements
//	orders, signals ───▶┘                      └─▶ disk, log, answers
//
// The loop takes one input, steps the machine, and hands each output to the edge
// that carries it out. No call in it waits for a child, a disk, a lock or a peer:
//
//	edge               owner                              when its queue is full
//	datagrams          one reader a socket, one verifier  dropped and counted
//	actions            one goroutine each, on a leash     outcomes wait, none is lost
//	the lease          package vip's goroutine            the newest entitlement wins
//	addresses          one goroutine                      requests wait; restoring is left to the monitor
//	fronts             one goroutine each                 announcements are dropped
//	the watchdog       one goroutine                      the newest word wins
//	ping nodes         package ping's goroutine           the newest answer wins
//	state on disk      one goroutine                      the newest wins
//	events and log     one goroutine                      dropped and counted; memory keeps the newest 1,000
//	hooks              one goroutine, one at a time       not run, counted, and an event says so
//	mail and webhooks  one goroutine each                 counted; the next telling says how many
//
// What is recorded also says when a group starts, stops or moves, and when a node comes or goes: see hooks and alerts.
// Only a hook that was written as blocking makes anything wait, and that is the action of one resource: see gate.
//
// A restart finds the addresses and leases of the life before in the kernel, the
// epochs on disk and the resources by their monitors, and goes on (rule B2).
package daemon
