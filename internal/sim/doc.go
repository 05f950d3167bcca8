// Package sim is a virtual world around the core: two machines with their
// kernels and disks, daemons that are killed and frozen, beat links, a front
// network with ARP, agents that fail and lie, an operator. All of it comes from
// one seed and one virtual clock, so each bad night can be played again:
//
//	go test ./internal/sim -run TestSchedules -seed=N -v
//
// It is a judge, not a mirror: it models the kernel and the network as they
// are, and asks no core what it believes.
//
// # A schedule
//
// A seed draws a cluster (times, links, groups, failback), the faults it knows
// and how dense they are. Faults come for a while and overlap. Then everything
// is repaired, and progress is owed: within a bound each group is served by one
// node, and stays there.
//
// # What is modelled
//
// A daemon turns late by a body and a tail, performs what its core decided in
// order, and may be frozen or killed before each piece. Its edges are goroutines
// that a freeze stops too: the kernel's lease is written in four steps (ticket,
// clock, transaction, answer), a probe in three questions and a wait, a file
// some milliseconds late. The kernel runs on: it answers ARP while address,
// carrier and lease are there and the lease is not quiet. Agents are processes
// of their own. Clocks run up to 500 ppm wrong and begin anew at each boot.
//
// Not modelled: a machine that is paused as a whole, power fencing, ping nodes,
// an arbiter, IPv6 apart from IPv4, proxy ARP.
//
// # When two may answer
//
// Invariant I1 says that two nodes never answer for one address. It is excused
// only when nothing could tell the nodes apart. That is, when at the same time
//
//   - no beat has reached the one or the other for the dead time;
//   - what either sends now is not sure to be read: each link of that direction
//     is cut, loses or delays beats, or one of the daemons does not run; or it
//     healed less than a keepalive ago and no beat has come since;
//   - the network itself was without a sound link in some direction within
//     D + Y: a daemon that does not run excuses nothing in a sound network;
//   - a question over the front could have gone unanswered within three keepalives.
//
// Once that ends, two owners must become one within three keepalives when links
// work both ways, and within Y and five keepalives when only the front does,
// counted while both daemons run. A split in which nobody overlapped is
// forgotten after D + Y.
package sim
