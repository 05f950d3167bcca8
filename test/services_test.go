package test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"lubdub/internal/lab"
)

// service is one of Debian's services under its OCF agent.
type service struct {
	name  string
	agent string // its word of haresources
	conf  string // what lubdub.conf says of it
	needs []string
	// Commands of a shell:
	prepare string // on both nodes, before all
	ask     string // on the client; it ends well if the service answers on the shared address
	pid     string // on a node: prints the process that leads the service, nothing if there is none
	kill    string // on a node
	spoil   string // on a node: breaks its configuration
	after   string // on a node: what is done after that and a kill
	reason  string // what "why" says of that
}

const agents = "/usr/lib/ocf/resource.d/heartbeat/"

// patience is how long agents may take for anything: a shell script forks hundreds of times, and machines are busy.
const patience = 90 * second

// postgres is where Debian keeps the programs of its newest PostgreSQL.
func postgres() string {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(dirs) == 0 {
		return "/usr/lib/postgresql"
	}
	return dirs[len(dirs)-1]
}

// services are those that are tried, each as docs/agents.md shows it.
func services() []service {
	return []service{
		{
			name: "apache2", agent: "ocf:heartbeat:apache",
			needs: []string{"/usr/sbin/apache2", agents + "apache"},
			ask:   "curl -sf -m 1 -o /dev/null http://" + shared + "/", // Debian's own page, from Debian's own configuration
			pid:   "cat /var/run/apache2/apache2.pid", kill: "pkill -9 -x apache2",
			spoil:  "echo 'Lisen 81' >> /etc/apache2/ports.conf",
			reason: "Invalid command 'Lisen'",
		},
		{
			name: "nginx", agent: "ocf:heartbeat:nginx",
			conf:  "param ocf:heartbeat:nginx configfile=/etc/nginx/lab.conf\n",
			needs: []string{"/usr/sbin/nginx", agents + "nginx"},
			prepare: `cat > /etc/nginx/lab.conf <<-end
				pid /run/nginx-lab.pid;
				error_log /var/log/nginx/lab.log;
				worker_processes 1;
				events { }
				http { access_log off; server { listen ` + shared + `:80; location / { return 200 ok; } } }
			end`,
			ask: "curl -sf -m 1 -o /dev/null http://" + shared + "/",
			pid: "cat /run/nginx-lab.pid", kill: "pkill -9 -x nginx",
			spoil:  "echo 'lisen 81;' >> /etc/nginx/lab.conf",
			reason: "unknown directive",
		},
		{
			name: "postgresql", agent: "ocf:heartbeat:pgsql",
			conf: "param ocf:heartbeat:pgsql pgctl=" + postgres() + "/pg_ctl pgdata=/var/lib/labdb config=/var/lib/labdb/postgresql.conf \\\n" +
				"    socketdir=/run/postgresql logfile=/var/log/postgresql/lab.log\n",
			needs: []string{postgres() + "/initdb", "/usr/bin/pg_isready", agents + "pgsql"},
			prepare: `install -d -o postgres -m 700 /var/lib/labdb
				setpriv --reuid postgres --regid postgres --clear-groups ` + postgres() + `/initdb --no-sync -A trust -D /var/lib/labdb >/run/initdb.log 2>&1 || { cat /run/initdb.log; exit 1; }
				echo "listen_addresses = '*'" >> /var/lib/labdb/postgresql.conf
				echo "unix_socket_directories = '/run/postgresql'" >> /var/lib/labdb/postgresql.conf
				echo "fsync = off" >> /var/lib/labdb/postgresql.conf
				echo "host all all 192.0.2.0/24 trust" >> /var/lib/labdb/pg_hba.conf`,
			ask: "pg_isready -q -t 1 -h " + shared,
			pid: "head -n 1 /var/lib/labdb/postmaster.pid", kill: "kill -9 $(head -n 1 /var/lib/labdb/postmaster.pid)",
			spoil:  "echo 'prot = 5433' >> /var/lib/labdb/postgresql.conf",
			reason: "unrecognized configuration parameter",
		},
		{
			name: "redis", agent: "ocf:heartbeat:redis",
			conf:  "param ocf:heartbeat:redis config=/etc/redis/lab.conf\n",
			needs: []string{"/usr/bin/redis-server", "/usr/bin/redis-cli", agents + "redis"},
			prepare: `cat > /etc/redis/lab.conf <<-end
				bind *
				protected-mode no
				save ""
				dir /var/lib/redis
				logfile /var/log/redis/lab.log
			end
			chmod 644 /etc/redis/lab.conf`,
			ask: "timeout 1 redis-cli -h " + shared + " ping | grep -q PONG",
			pid: "cat /var/run/redis/redis-server.pid", kill: "kill -9 $(cat /var/run/redis/redis-server.pid)",
			spoil:  "echo 'prot 6380' >> /etc/redis/lab.conf",
			after:  "rm -f /var/run/redis/redis-server.pid", // as after a boot: with the old one the agent gives up by itself
			reason: "Redis ended at once",
		},
		{
			name: "squid", agent: "ocf:heartbeat:Squid",
			conf:  "param ocf:heartbeat:Squid squid_exe=/usr/sbin/squid squid_conf=/etc/squid/lab.conf squid_port=3128\n",
			needs: []string{"/usr/sbin/squid", agents + "Squid"},
			prepare: `cat > /etc/squid/lab.conf <<-end
				http_port 3128
				http_access allow all
				cache deny all
				pid_filename /run/squid-lab.pid
				cache_log /var/log/squid/lab.log
				access_log none
				shutdown_lifetime 1 seconds
				visible_hostname lab
				pinger_enable off
			end`,
			ask: "curl -sf -m 1 -o /dev/null -x http://" + shared + ":3128 " + backEnd + "/",
			pid: "cat /run/squid-lab.pid", kill: "pkill -9 -x squid",
			spoil:  "echo 'http_port nowhere' >> /etc/squid/lab.conf",
			reason: "nowhere",
		},
	}
}

// TestServices runs services of Debian under their OCF agents, each on a pair of its own.
func TestServices(t *testing.T) {
	asRoot(t)
	var told sync.WaitGroup
	for i, s := range services() {
		told.Go(func() { // they wait most of their time, so more than there are cores
			t.Run(s.name, func(t *testing.T) {
				programs(t, s.needs...)
				s.tell(t, fmt.Sprintf("-s%d", i))
			})
		})
	}
	told.Wait()
}

func (s service) tell(t *testing.T, lane string) {
	p := newPair(t, setup{lane: lane, resources: shared + " " + s.agent, conf: s.conf})
	_, err := p.Host(web).Serve(backEnd, 0)
	must(t, err)
	if s.prepare != "" {
		for _, node := range []string{one, two} {
			p.run(node, s.prepare)
		}
	}
	p.start(one, two)
	p.atHome()
	s.answers(p, one)

	was := p.pidOf(s, one)
	took := s.killed(p, one)
	t.Logf("%s: kill -9 of %s: answers again after %v, monitored each %v", s.name, was, round(took), interval)
	p.explains(one, s.agent, "does not run")
	p.settledWithin(patience)

	p.order(one, "standby")
	s.answers(p, two)
	eventually(t, patience, "nothing of it is left on "+one, func() bool { return p.pidOf(s, one) == "" })
	p.rests(one)
	p.order(one, "online")
	p.settledWithin(patience)

	p.run(two, s.spoil)
	at := lab.Now()
	p.run(two, s.kill+"; "+s.after)
	s.answers(p, one)
	t.Logf("%s: its configuration was broken and it was killed: it answers on the other node after %v", s.name, round(lab.Now()-at))
	p.told(two, patience, s.reason)
	p.explains(two, s.reason)
	p.settledWithin(patience)
	p.neverTwo()
	t.Logf("why, on %s:\n%s", two, p.why(two))
}

// atHome waits until the group runs on its preferred node. When that was busy at the start the other one took it.
func (p *pair) atHome() {
	p.t.Helper()
	p.settledWithin(patience)
	if p.status(one).Groups[0].State != "running" {
		p.order(two, "move web "+one+p.lane)
	}
	p.answered(one, lab.Now(), patience)
	p.settledWithin(patience)
}

// rests waits until nothing of the group is left on a node that handed it over.
func (p *pair) rests(node string) {
	p.t.Helper()
	eventually(p.t, patience, "nothing of the group is left on "+node, func() bool { return p.status(node).Groups[0].State == "stopped" })
}

// explains waits until "lubdub why" on a node has all these words.
func (p *pair) explains(node string, words ...string) {
	p.t.Helper()
	eventually(p.t, patience, fmt.Sprintf("lubdub why on %s says %q", node, words), func() bool { return containsAll(p.why(node), words...) })
}

// pidOf is the process that leads the service on a node; empty: none does.
func (p *pair) pidOf(s service, node string) string {
	p.t.Helper()
	return strings.TrimSpace(p.run(node, "pid=$("+s.pid+" 2>/dev/null) && kill -0 $pid 2>/dev/null && echo $pid || true"))
}

// reached says whether the client gets an answer from the service.
func (s service) reached(p *pair) bool {
	ctx, cancel := context.WithTimeout(p.t.Context(), question)
	defer cancel()
	_, err := p.Host(client).Run(ctx, "sh", "-c", s.ask)
	return err == nil
}

// answers waits until the service runs on a node and the client gets an answer.
func (s service) answers(p *pair, node string) {
	p.t.Helper()
	eventually(p.t, patience, s.name+" runs on "+node+" and answers the client", func() bool {
		return p.pidOf(s, node) != "" && s.reached(p)
	})
}

// killed kills the service and says after what time it answers again.
func (s service) killed(p *pair, node string) time.Duration {
	p.t.Helper()
	was := p.pidOf(s, node)
	began := lab.Now()
	p.run(node, s.kill)
	eventually(p.t, patience, s.name+" runs again on "+node, func() bool {
		now := p.pidOf(s, node)
		return now != "" && now != was && s.reached(p)
	})
	return lab.Now() - began
}
