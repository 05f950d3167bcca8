// Command lubdub keeps one service up on two Linux servers.
//
// It is one binary: the daemon (run), and what people and programs use to set
// it up, to look at it and to give it orders. Each command stands in one small
// file: it takes its flags, calls one function and prints what came of it.
//
//	main.go    the real world, and nothing else
//	world.go   what a command may see and touch, as a value
//	table.go   all commands, and how an error becomes an exit status
//
// Exit status: 0 done, 1 failed or refused, 2 misuse. Three commands speak an
// older language: run ends with 6 on a bad configuration, as Heartbeat does, so
// that systemd does not start it again; status answers as an LSB init script (0
// runs, 3 does not run, 4 not known), and with --nagios as a Nagios plugin.
package main
