package cluster

import (
	"bufio"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("rewrite", false, "write the transcripts of testdata anew")

// TestTranscripts plays the commands of testdata/*.txt and compares everything
// that the machines said. The review is the diff.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(text))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(text), got); diff != "" {
				t.Errorf("transcript differs (-want +got):\n%s", diff)
			}
		})
	}
}

// play runs the commands of a transcript: lines that begin with "> ".
func play(t *testing.T, text string) string {
	t.Helper()
	var out strings.Builder
	cfg := tutorial()
	var p *pair
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "#") {
			fmt.Fprintln(&out, line)
		}
		words, ok := strings.CutPrefix(line, "> ")
		if !ok {
			continue
		}
		fmt.Fprintf(&out, "\n> %s\n", words)
		if rest, ok := strings.CutPrefix(words, "config "); ok {
			configure(t, &cfg, strings.Fields(rest))
			continue
		}
		if p == nil {
			p = newPair(cfg)
		}
		command(t, p, strings.Fields(words))
		out.WriteString(p.log.String())
		p.log.Reset()
	}
	return out.String()
}

// tutorial is the tutorial's cluster with two links and short times.
func tutorial() Config {
	times := Timeouts{Start: 60 * time.Second, Stop: 60 * time.Second, Monitor: 20 * time.Second}
	return Config{
		Cluster: "tutorial", Links: []string{"bcast eth1", "bcast eth0"}, Keepalive: 250 * time.Millisecond,
		WarnTime: time.Second, DeadTime: 2 * time.Second, InitDead: 10 * time.Second,
		Groups: []Group{{Name: "web", Preferred: "alpha", Resources: []Resource{
			{Name: "192.0.2.100", Class: classAddress, Type: "IPaddr", Interface: "eth0", Timeouts: times,
				Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.100/24")}, Interval: 10 * time.Second, Limit: UsualLimit, Window: UsualWindow},
			{Name: "apache", Type: "apache", Args: []string{"/etc/apache2/apache2.conf"}, Timeouts: times, Interval: 10 * time.Second, Limit: UsualLimit, Window: UsualWindow},
		}}},
	}
}

func configure(t *testing.T, cfg *Config, words []string) {
	t.Helper()
	for _, w := range words {
		switch w {
		case "two-groups":
			db := cfg.Groups[0]
			db.Name, db.Resources = "db", []Resource{{Name: "postgres", Type: "postgres", Timeouts: db.Resources[1].Timeouts, Interval: 10 * time.Second}}
			cfg.Groups = append(cfg.Groups, db)
		case "failback":
			cfg.AutoFailback = true
		case "warm":
			cfg.Groups[0].Resources[1].Warm = true
		case "one-link":
			cfg.Links = cfg.Links[:1]
		case "strict":
			cfg.StrictStart = true
		case "keep":
			cfg.KeepIsolated = true
		case "stay":
			cfg.Groups[0].Resources[1].OnStart = StartStay
		case "ignore-start":
			cfg.Groups[0].Resources[1].OnStart = StartIgnore
		case "ignore-stop":
			cfg.Groups[0].Resources[1].LetGo = true
		case "never":
			cfg.Groups[0].Resources[1].Limit = 0
		case "two-to-four":
			cfg.Groups[0].Failback = Failback{Delay: time.Minute, From: 2 * 60, To: 4 * 60}
		case "mail":
			last := cfg.Groups[0].Resources[1]
			last.Name, last.Type, last.Args = "mail", "mail", nil
			cfg.Groups[0].Resources = append(cfg.Groups[0].Resources, last)
		case "fencing":
			cfg.Fencing, cfg.FenceDelay = true, 5*time.Second
		case "watchdog":
			cfg.Watchdog = time.Second
		case "ping":
			cfg.Pings, cfg.DeadPing = append(cfg.Pings, fmt.Sprintf("gateway%d", len(cfg.Pings)+1)), cfg.DeadTime
		default:
			t.Fatalf("config %q is unknown", w)
		}
	}
}

func duration(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func command(t *testing.T, p *pair, w []string) {
	t.Helper()
	order := func(c Command) { p.step(p.nodes[w[1]], c) }
	switch w[0] {
	case "start":
		p.start(w[1])
	case "kill":
		p.kill(w[1])
	case "crash":
		p.crash(w[1])
	case "freeze":
		p.nodes[w[1]].stopped = true
	case "thaw":
		p.thaw(w[1])
	case "cut":
		p.cut[strings.Join(w[1:], " ")] = true
	case "heal":
		p.cut = map[string]bool{}
		p.front, p.split = true, false
	case "cut-front-between":
		p.split = true
	case "cut-front":
		p.front = false
	case "die":
		delete(p.nodes[w[1]].runs, "web/"+w[2])
	case "fail":
		p.nodes[w[1]].fails[w[2]+" "+w[3]] = Failed
	case "mend":
		p.nodes[w[1]].fails = map[string]Result{}
		p.nodes[w[1]].refuses = false
	case "blind":
		p.nodes[w[1]].blind[w[2]] = true
	case "see":
		p.nodes[w[1]].blind = map[string]bool{}
	case "fence":
		p.nodes[w[1]].fence = w[2]
	case "confirm-fence":
		order(Command{Verb: FenceConfirm, Node: w[2]})
	case "refuse":
		p.nodes[w[1]].refuses = true
	case "beats":
		p.all = !p.all
	case "standby":
		order(Command{Verb: Standby})
	case "online":
		order(Command{Verb: Online})
	case "move":
		order(Command{Verb: Move, Group: "web"})
	case "cleanup":
		order(Command{Verb: Cleanup, Resource: strings.Join(w[2:], "")})
	case "restart":
		order(Command{Verb: Restart, Resource: w[2]})
	case "maintenance":
		c := Command{Verb: Verb("maintenance " + w[2])}
		if len(w) > 3 {
			c.For = duration(t, w[3])
		}
		order(c)
	case "clock":
		at, err := time.Parse("15:04", w[2])
		if err != nil {
			t.Fatal(err)
		}
		p.step(p.nodes[w[1]], TimeOfDay{at.Hour()*60 + at.Minute()})
	case "crash-loop": // RESOURCE INTERVAL TIMES: it dies wherever it runs
		n, err := strconv.Atoi(w[3])
		if err != nil {
			t.Fatal(err)
		}
		for range n {
			p.pass(duration(t, w[2]))
			for _, s := range p.nodes {
				delete(s.runs, "web/"+w[1])
			}
		}
	case "leave":
		order(Command{Verb: Leave})
	case "edit":
		p.edit(t, w[1], w[2:])
	case "reload":
		p.step(p.nodes[w[1]], p.reloadOrder(t, w[1], w[2:]))
	case "status":
		s := p.nodes[w[1]]
		st := s.m.Status()
		fmt.Fprintf(&p.log, "%s\n", st.Sentence)
		for _, g := range st.Groups {
			for _, r := range g.Resources {
				if r.Failures > 0 || r.Words != "" {
					fmt.Fprintf(&p.log, "  %s: failed %d of %d times, forgotten in %v\n", r.Name, r.Failures, r.Limit, round(r.Forgotten.Sub(s.m.now)))
				}
			}
			fmt.Fprintf(&p.log, "  %s: %s; %s; next: %s\n", g.Name, g.Words, g.Entitled, strings.Join(g.Next, " | "))
		}
		for _, w := range st.Warnings {
			fmt.Fprintf(&p.log, "  warning: %s\n", w)
		}
		if f := st.Fencing.Words; f != "" {
			fmt.Fprintf(&p.log, "  fencing: %s\n", f)
		}
	case "pass":
		p.pass(duration(t, w[1]))
	default:
		t.Fatalf("command %q is unknown", w[0])
	}
}
