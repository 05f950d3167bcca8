// Package proxy is the built-in reverse proxy: HTTP and HTTPS in, a list of back ends behind.
//
// It is two processes of the same binary, and neither is the daemon:
//
//	lubdub run ──Start──▶ supervisor ──sockets──▶ worker ──▶ back ends
//	           ◀─Monitor─            ◀──ready────
//
// The supervisor (RunSupervisor) holds what needs rights: the listening sockets, the certificate's key, the
// access log. It opens the sockets before the shared address is on this node (IP_FREEBIND), so the proxy runs
// warm on both nodes and a move is a move of the address alone. It serves no request itself.
//
// The worker (RunWorker) serves. It runs as an unprivileged user without any capability, under landlock, and gets
// each descriptor it needs from the supervisor over a socket pair: it opens no key and no log. When it dies the
// supervisor starts another at once; meanwhile connections wait in the kernel's queue, since the listening
// sockets never close. For new settings the next worker is started first; then the old one stops accepting,
// answers "Connection: close" for a moment, finishes what it has, and ends. No request is lost.
//
// Life of a worker, as the supervisor sees it:
//
//	starting ──ready──▶ serving ──new settings, stop──▶ draining ──▶ gone
//	   │                   │
//	   └──died, too slow───┴──died, mute──▶ gone, and a new one: at once, then after 10 ms doubling to 1 s
//
// Both outlive the daemon. A daemon that was restarted finds the supervisor by its control socket and goes on
// watching it: Start on a running proxy applies the settings if they differ and changes nothing else. A worker
// whose supervisor died closes its listeners at once and drains, so that a new supervisor can bind.
//
// Monitor fails when no worker accepts. It does not fail when back ends are down: both nodes see the same back ends,
// so moving the address would not help. Their state is in Status, each with its reason.
//
// Files, in a directory proxy-NAME (0700) under the runtime directory: control.sock, worker-N.sock (where the
// supervisor asks a worker how it is; the public listeners do not know that page), supervisor.lock, processes.lock
// (held by the supervisor and by every worker: free means that nothing of this proxy is left), processes.json.
package proxy
