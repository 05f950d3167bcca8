// Package api is how a person or a program on the same machine talks to the
// daemon: HTTP with JSON on a unix socket.
//
//	GET  /v1/status            a Status
//	GET  /v1/events?after=ID   the recorded events behind ID, one JSON object a line
//	GET  /v1/events?follow=1   the same, and then each new one as it happens
//	POST /v1/orders            an Order; the answer is an Answer
//
// The directory of the socket lets root and the group haclient in. Whoever gets
// in may read; orders are carried out for root alone, and the kernel says who
// calls (SO_PEERCRED), so nothing is asked for and nothing can be stolen.
//
//	curl --unix-socket /run/lubdub/api.sock http://lubdub/v1/status
package api
