// Package vip keeps a shared address on an interface, and speaks about it with the network.
//
// It has four parts, which know nothing of each other's callers:
//
//   - The address: [Add], [Remove] and [Has] put it on an interface, take it away and look. What this package adds
//     carries a mark in the kernel (IFA_PROTO), so [Marked] finds what an earlier life of the program left behind.
//     [Fit] finds interface and mask of an address from what [Interfaces] reads.
//   - The watch: [Watch] tells of every change of links and addresses, by whomever it was made, and lists all again
//     each few seconds, because the kernel drops news when a reader is slow.
//   - The front: a [Front] is one interface seen as a network. It announces an address (gratuitous ARP, unsolicited
//     neighbour advertisement), probes whether another station holds it, and reports what is said about it.
//   - The lease: how long the address may answer is held by the kernel, not by this program, so it falls silent with
//     a program that is frozen or dead.
//
// A probing is evidence only if it could have been answered. So its result also says whether the cable was in, whether
// any frame of another station came in meanwhile, and whether an asked neighbour answered; and silence is an error,
// not a result, when the kernel had to drop frames or the interface was replaced.
//
//	                  first answer
//	Probe --> asking ----------------> held by MAC
//	            |  n probes, gap apart
//	            v
//	          last gap over, every frame that arrived is read
//	            |
//	            +--> nobody (with what proves that the front carries frames)
//	            +--> error  (frames dropped, interface gone, sending refused)
//
// Times are of the boot clock, see [Boottime].
package vip
