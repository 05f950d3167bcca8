// Command bench measures what a client notices while a cluster moves its service, and what the daemons cost.
//
// It runs lubdub, the real Heartbeat and keepalived in the same lab of network namespaces, with the same client, and prints
// the tables of docs/benchmarks.md in Markdown. From the root of the source, as root:
//
//	go run ./bench                   everything, five repetitions, about a quarter of an hour
//	go run ./bench -into docs/benchmarks.md
//	go run ./bench -only power       only series and scenarios with "power" in their names
//	go run ./bench -only cost,heap   only what the daemons cost
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
package main
