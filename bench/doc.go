// Command bench measures what a client notices while a cluster moves its service, and what the daemons cost.
//
// It runs lubdub, the real Heartbeat and keepalived in the same lab of network namespaces, with the same client, and prints
// the tables of docs/benchmarks.md in Markdown. From the root of the source, as root:
//
//	go run ./bench                   everything, five repetitions, about a quarter of an hour
//	go run ./bench -into docs/benchmarks.md
//	go run ./bench -only power       only series and scenarios with "power" in their names
//	go run ./bench -only cost,heap   only what the daemons cost
//	go run ./bench chaos             two nights of faults; see below
//
// # One repetition
//
// Two nodes, a client and a web server are booted afresh; the product starts on both nodes. The client asks for a page each 5 ms
// on a fresh connection and sends a datagram each 2 ms, without a pause to the end. A calm comes first: the control. Then one
// step after the other is taken: standby, and back; clean stop, and back; power loss, and back. Each step has a window of fixed
// length that begins with the order, and is set beside a stretch of the same length of the calm. A window shows the longest
// time without an answer, and how many requests failed. Nothing is repeated, nothing is left out: a step that does not end as
// it must is in the table as such.
//
// tcpdump on the client's port is the witness of who announced the address, and when.
//
// # Chaos
//
// "bench chaos" plays nights of faults to the same programs and judges from outside that two nodes never answer for one address
// where anything can tell them apart, that the service comes back after each heal, and that one node has it in the end. Its
// tables are a section of docs/safety.md.
//
//	go run ./bench chaos -minutes 10 -seed n                ten nights, of about a minute each
//	go run ./bench chaos -minutes 10 -seed n -product all   the same nights for Heartbeat and keepalived, too
//	go run ./bench chaos -minutes 1 -seed n -dir DIR        one night again; DIR keeps logs, capture, and night.txt
//
// A seed draws a configuration and a list of faults, each a line of text ("12.300s for 4.100s: loss-front-out serving 40%"). With odd
// seeds one fault comes at a time, with even ones they overlap. The evidence is a capture at the client, which asks for the
// address each 10 ms; a script in the place of a storage tells who started it with which epoch. A run in which lubdub breaks a
// promise fails, and prints the faults, what happened around it, and the last words of both daemons.
package main
