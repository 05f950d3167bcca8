package agent

import (
	"regexp"
	"time"
)

// vain is how an agent shows that it waits for a service that has ended. It does not notice, and would wait until the
// start's time is over.
type vain struct {
	said     *regexp.Regexp // what stands in its output then
	patience time.Duration  // it is ended so long after that
	hint     string         // where to look; may be empty
}

var (
	// apacheVain is what Apache prints before it ends at once.
	apacheVain = regexp.MustCompile(`Syntax error on line \d+|no listening sockets available|Unable to open logs|` +
		`Configuration check failed|bad (?:user|group) name|command failed: \S*/(?:apache2|httpd)\S* -`)
	// pgsqlVain is what the agent prints each second that PostgreSQL has no pid file. It has one within moments of its
	// start, and long before it takes connections.
	pgsqlVain = regexp.MustCompile(`(?s)(PostgreSQL is down.*){6}`)
	// redisVain is printed when Redis does not answer at first: after that the agent only waits for a pid file, which
	// Redis writes before it reads its data.
	redisVain = regexp.MustCompile(`Could not connect to Redis at`)
)

// vainOf is what is known of an agent; nil: nothing. Each was seen with the agents of resource-agents 4.12.
func vainOf(kind string) *vain {
	return map[string]*vain{
		agentApache: {said: apacheVain, patience: 500 * time.Millisecond},
		agentPgsql:  {said: pgsqlVain, patience: 500 * time.Millisecond},
		"redis": {said: redisVain, patience: 8 * time.Second,
			hint: "Redis ended at once, and its agent keeps what it said: see its logfile, or run redis-server with its configuration file as its user"},
	}[kind]
}

// hintOf says where to look for the reason; nothing if the agent's words hold it.
func hintOf(kind string) string {
	if v := vainOf(kind); v != nil && v.hint != "" {
		return "; " + v.hint
	}
	return ""
}
