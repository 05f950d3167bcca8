// Package ping asks neighbours whether they are there, as ping(8) does: ICMP echo requests, and ICMPv6 ones.
//
// An answer is evidence about a moment: when its question was sent. That is what the package reports, by the boot clock,
// however late the answer comes. An echo that is lost or limited by the neighbour is no event; nothing is said then.
//
// A stranger cannot answer in a neighbour's place. Each question carries 16 random bytes. An answer counts when it brings
// them back, comes from the address that was asked (and over the interface, for a link-local one), is the first to that
// question, and comes within answerLimit. Whoever is on the path between can answer, as the neighbour itself can.
//
//	Every ─▶ interval ─▶┐
//	                    ├─▶ Run: owns the questions and both sockets ─▶ heard, trouble
//	reader of a socket ─▶┘   (when it is behind, answers are dropped)
//
// A socket belongs to no interface and to no address of ours, so it outlives both. Where one cannot be opened, or fails, it
// is opened again. Trouble with sending is counted, and said once until the neighbour has answered again.
package ping
