// Package lab is a real world of network namespaces on one Linux machine, for tests, for the demo and for benchmarks.
//
// # What it is made of
//
//	outside                     the caller's world; it sees one more process tree and nothing else
//	└─ lab init (PID 1)         fresh network, mount, PID, UTS and IPC namespaces, private /run
//	   └─ the program again     the same binary with the same arguments; builds labs with New
//	      ├─ switch             a network namespace with one bridge per network
//	      ├─ host init (PID 1)  "proxy01": namespaces of its own, /run empty, /etc and /var private
//	      │  └─ its processes
//	      └─ host init (PID 1)  "proxy02": the same
//
// Enter does the first step. Every program that builds a lab calls it before anything else: the demo in its command, a test
// in TestMain. It works as root, and without root where the kernel allows user namespaces. A program whose binary the lab
// re-executes for its own small roles (host init, prober, client, web server) must call Child as the first line of main;
// Enter includes that call.
//
// # Nothing is left behind
//
// Close ends everything in order. Where it is not reached, the kernel does it: when the program ends, lab init ends; when
// the caller ends, in whatever way, SIGKILL included, lab init is killed with it; and when the init of a PID namespace ends,
// the kernel kills every process in it. Namespaces, links, nft tables, mounts and the contents of the private /run then have
// no holder and vanish. SIGINT, SIGTERM, SIGHUP and SIGQUIT sent to the caller reach the program. After Ctrl-C on a
// terminal the program may see SIGINT twice, so it should treat it as a request (signal.NotifyContext), and return.
//
// # Cables and faults
//
// Each host has a veth pair to a port of the bridge of each of its networks: eth0 for the first network it is named in,
// eth1 for the next. A cross-over cable is a network of two ports whose carrier goes as one: what takes one end down, takes
// the other down too, as a real cable does. Unplug takes carrier away. Cut drops frames silently, by sender, receiver, kind
// and percentage; it lives in the switch, where no program of a host can see or flush it. Isolate keeps two hosts apart that both
// reach the rest. Delay makes a cable slow, and lets frames overtake each other.
//
// PowerOff is a power loss: ports down first, so that no dying program says goodbye, then SIGKILL to all, then the host's
// namespaces are gone. PowerOn boots it with the same name, addresses and MAC addresses; /etc and /var are as they were, /run
// is empty. /tmp and everything else of the file system is shared by all hosts and the caller. Freeze stops all processes of a
// host while its kernel lives on; Thaw lets them go on.
//
// # Instruments
//
// Probe asks for an address by raw ARP or neighbour solicitations and records who answers. Load sends HTTP requests or UDP
// datagrams at a fixed pace and records each. Capture runs tcpdump, to be queried by tshark. None of them shares code with
// what they judge. All times are of the boot clock, as Now gives it, which every process of the machine shares.
package lab
