// Package link carries datagrams over one path between the nodes: UDP by
// broadcast, multicast or unicast, over IPv4 or IPv6. It knows interfaces,
// addresses and datagrams; what is inside a datagram is none of its business.
//
// # The life of a link
//
// Opening never fails. A link looks at its interface when it is opened, when
// Set.Refresh says that something changed, after a send that hints at a change,
// and once a second in any case:
//
//	waiting --- interface exists, sockets open ---> open
//	open ------ interface gone or another one ----> waiting
//
// State says which, and why a link cannot work: "interface eth1 does not exist",
// "eth1 has no carrier". An open link is used even while State says it is not
// up: the kernel knows best, and a datagram tried is cheap.
//
// The sending socket has no source address of its own, so a changed address (as
// DHCP makes it) is used by the next Send. The broadcast address belongs to the
// address and is computed anew at each look; where the interface has none it
// follows from the prefix, and where there is no prefix it is 255.255.255.255.
//
// # Sockets, and why some are shared
//
// Heartbeat gives each link two sockets, one to send and one to receive, both
// bound to the interface; all its receiving sockets share one UDP port. The
// kernel copies a broadcast to every socket that fits but gives a unicast
// datagram to exactly one of them. So "bcast eth0" and "ucast eth0 192.168.1.2"
// would take each other's datagrams, and so would the usual two ucast lines, one
// for each node, of a file shared by both.
//
// Here each link has its own sending socket, since their options differ, but all
// links of one interface, port and address family share one receiving socket.
// The kernel tells for each datagram where it was sent to (IP_PKTINFO), and
// credit decides by that and by the sender:
//
//	sent to      credited to
//	a group      the multicast link of that group
//	broadcast    the broadcast link; if there is none, as unicast
//	unicast      the unicast link whose peer sent it; else one whose peer is not
//	             this very machine; else the broadcast link
//
// Sockets bound to the broadcast address and to the unicast address were
// considered. They must be bound again at each change of address, lose
// datagrams meanwhile, do not hear a peer whose broadcast address differs, and
// still cannot tell two unicast links apart.
//
// The shared socket does without SO_REUSEADDR. Different interfaces do not
// collide, and a foreign program on the port is an error that State reports; with
// SO_REUSEADDR it would silently take our datagrams, or we its.
//
// The sender's port is never looked at, as in Heartbeat. Datagrams that we
// broadcast come back from the kernel, those that we multicast only with loop;
// Datagram.From is there so that the receiver can tell.
//
// # Goroutines
//
// Each receiving socket has a reader, and a keeper that looks at the interface.
// The keeper owns the sockets; Send sees them through an atomic pointer. To
// open or close a link the Set stops the keeper, changes what it must, and starts
// it again; the reader is replaced at the end, in an instant, by one that knows
// the new links. The socket stays open, so nothing is lost, and nothing is locked.
package link
