// Package agent starts, stops and monitors one resource.
//
// A resource is one word of haresources. Its class says who does the work:
//
//	address             a shared address: done through [Addresses]
//	proxy               the built-in reverse proxy: done through [Proxy]
//	heartbeat           a script of resource.d: script ARGS... start|stop|status
//	lsb                 an init script: script start|stop|status
//	ocf                 an OCF agent: agent start|stop|monitor, parameters in its environment
//	exec                plain commands, one for each action
//	systemd             a unit: its jobs over D-Bus, or by systemctl where no bus is; see also [WatchUnits]
//	(none)              looked for in resource.d, in init.d, then among the OCF agents
//
// One action is one process (a start of a Heartbeat script is two, for its status is asked first):
//
//	Run --> found? safe? arguments right? --no--> unusable
//	          |
//	          v
//	        running --its process exits--> ok, not running, failed: by exit code, or by text (Heartbeat's status)
//	          |
//	          +--time is over, or cancelled--> SIGTERM to the group, a grace, SIGKILL to the group --> timed out, failed
//
// An action runs in a session and process group of its own, in /, with nothing on its input and an environment that
// is written here whole: nothing of the daemon's own is inherited. It ends when its own process exits, whoever still
// holds its output: a service that was started lives on, and can still write there without harm, though nobody reads.
// When the time is over the whole process group is ended. What left the group, as a daemon does, is not: to stop that
// is what the stop action is for.
//
// What lubdub.conf wants probed is asked within the monitor action, by this process itself, once the agent says that the
// resource runs.
//
// Another kind of agent ends a node: see [FenceDevice], [Fence] and [TestFence].
//
//	fence_NAME, /PATH   an agent of fence-agents: options on its input, the state read back after off
//	stonith:TYPE        a plug-in of cluster-glue, run by its program stonith
//	meatware            a person: no attempt succeeds, only that person's word to the daemon does
//
// Others decide nothing, and are only told what happens: a command ([Hook], and [Runner.RC] for the scripts of rc.d), somebody
// who gets [Mail], a program behind a [Webhook]. None of them says a secret when it fails.
//
// Root runs only what root alone can change. Before each action the path of the agent is walked from the root
// directory, links resolved, and its interpreter's as well; see [Runner.Check] for asking without running.
//
// The outcome is always one sentence. It is the agent's own where it gave one: the reason that OCF agents print, else
// its last error, else its last line. For a failure whose cause is known (see causes) a plain sentence comes in front of that,
// with what to do. Below it stands what the service and the kernel logged since the action began, read within diagnoseTime.
// A start that went well is verified by a monitor action before it counts.
package agent
