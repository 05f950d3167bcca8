// Package demo shows fail-overs on one machine: two real daemons, a client that
// never stops asking, and faults that are real for them.
//
//	             front 192.0.2.0/24
//	   ┌──────────┬──────┴─────┬───────────┐
//	proxy01    proxy02      client .50   web server .80
//	   └─ cross-over ┘
//	        eth1
//
// Each box has network namespaces and files of its own, made by package lab. The
// two nodes run "lubdub run" of this same binary, with the three files of the
// tutorial; the lines that differ are printed with their reasons (files.go).
//
// The steps stand in a table (steps.go): what is done, and what must come of it.
// What came of it is told by the client's requests and by an ARP prober
// (evidence.go). lubdub's own words are shown, and used to know when to go on,
// but never count. The web server says through which node a request came, by the
// address it came from.
//
// Nothing is left behind, however the demo ends: see package lab.
package demo
