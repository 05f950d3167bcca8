// Package sim is a virtual world around the core: two machines with their
// kernels and disks, daemons that are killed and frozen, beat links, a front
// network with ARP, ping nodes, fence devices, watchdogs, agents that fail and
// lie, an operator. All of it comes from one seed and one virtual clock, so each
// bad night can be played again:
//
//	go test ./internal/sim -run TestSchedules -seed=N -v
//
// It is a judge, not a mirror: it models the kernel and the network as they
// are, and asks no core what it believes.
//
// # A schedule
//
// A seed draws a cluster (times, links, groups, failback, ping nodes, fencing,
// watchdog, policies), the faults it knows, and how dense and how frequent each
// of them is: some come a hundred times as often as others. They come for a
// while and overlap. Then everything is repaired, and progress is owed: within a
// bound each group is served by one node, and stays there. An exam ends the
// schedule: of a cluster that is well one thing is asked (L1, L3, L4 or L7).
//
// # What is modelled
//
// A daemon turns late by a body and a tail, performs what its core decided in
// order, and may be frozen or killed before each piece. Its edges are goroutines
// that a freeze stops too: the kernel's lease is written in four steps (ticket,
// clock, transaction, answer), a probe in three questions and a wait, a file
// some milliseconds late. The kernel runs on: it answers ARP while address,
// carrier and lease are there and the lease is not quiet. It may refuse what it
// is asked, or take its time. Without nftables the lease is a life-time in whole
// seconds, which ends late, and has no ticket. Agents are processes of their own.
// Clocks run up to 1000 ppm wrong, change their rate, and begin anew at each
// boot; the wall clock is set by hours. A machine that is paused as a whole does
// nothing, and its kernel's timers stand still with it; its boot clock may have
// jumped when it runs on. Ping nodes stand on the front or behind the gateway. A
// fence device works, is slow, fails, hangs, or lies. A watchdog resets a machine
// that did not feed it, whatever became of the daemon.
//
// Damaged and forged beats are real packets, given to a real keyring. What may run in
// one place only comes to its storage with its epoch.
//
// Not modelled: an arbiter, IPv6 apart from IPv4, a real Heartbeat as peer.
//
// # What is judged
//
// After each event, by the judge's own arithmetic:
//
//	I1   two nodes never answer for one address (the excuses stand below), and
//	     two that were excused become one within the bounds below
//	I2   a start never comes with a lower epoch than the node had heard of; while
//	     only agents fail, or where fencing guards it and nobody lied, nothing
//	     that may run in one place only runs in two
//	I3   a node asks the kernel for no more than it has a right to (from what its
//	     daemon has read: E, a leave, a fence, answers of ping nodes, alone), and
//	     the kernel's lease outlasts that by a ticket at most
//	I4   starts go forwards, stops backwards, and no two actions of a resource overlap
//	I5   a watchdog runs while a node says that it serves; it is fed by nothing
//	     but a fresh proof; a machine whose daemon is dead is reset before the
//	     other node starts what runs there
//	I6   a group that is where it should be stays there (peace, in the calm)
//	I8   an old beat changes nothing of what the core says of itself, and a damaged
//	     or forged one is not read
//	I9   the same night with and without steps of the wall clock ends the same
//	     (TestI9; not of nights in which a full disk lets a life forget its number)
//	K3   a beat says silent only when the kernel is, and no older grant comes after it
//	B4   a clean leave has stopped everything
//
// and some that find a fault soon: a second step at once says nothing
// (idempotence), the deadline lies ahead, beats and outputs are no storm, a new
// owner announces itself, replies answer commands, standby starts nothing.
//
// After the last fault:
//
//	progress  within a bound every group is served by one node, and everybody is up
//	L1  the owner's crash: served within D, three keepalives and the starts; with
//	    fencing, also the delay and the device
//	L3  everything cut and healed: one owner within 2 D and the starts
//	L4  one of two links cut: no move, no outage
//	L6  no stall of Y or more: no fail-over in 24 hours (TestL6)
//	L7  a planned move of what is warm: no client misses 50 ms
//
// # When two may answer
//
// I1 is excused only when nothing could tell the nodes apart. That is, when at
// the same time
//
//   - no beat has reached the one or the other for the dead time;
//   - what either sends now is not sure to be read: each link of that direction
//     is cut, loses or delays beats, or one of the daemons does not run; or it
//     healed less than a keepalive ago and no beat has come since;
//   - the network itself was without a sound link in some direction within
//     D + Y: a daemon that does not run excuses nothing in a sound network. A
//     machine that stands still as a whole counts as cut off;
//   - a question over the front could have gone unanswered within three
//     keepalives, or answers prove nothing there: a router answers for every
//     address, or the policy is partition take;
//   - no third opinion could help:
//     with ping nodes (and not isolated keep), both nodes had an answer of one of
//     them within the same third of G while the front told neither of the
//     other, not longer ago than G, a gap and the grant; or a machine stood still
//     as a whole within D + Y. With fencing nothing excuses, but that a device or
//     the operator said off of a living node.
//
// One direction is enough after such a false word, and while a kernel will not
// write: it cannot be silenced before its lease ends.
//
// A kernel without nftables has no ticket: a freeze between its clock and its
// write excuses too.
//
// Once that ends, two owners must become one within three keepalives when links
// work both ways, and within Y and five keepalives when only the front does,
// counted while both daemons run; Y and a ticket more when a kernel would not
// write at once. A split in which nobody overlapped is forgotten after D + Y.
package sim
