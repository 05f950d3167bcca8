package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lubdub/internal/api"
	"lubdub/internal/lab"
)

// The tutorial's names and addresses; the client and the web server are ours.
const (
	nameA, addressA = "proxy01.example.org", "192.0.2.11"
	nameB, addressB = "proxy02.example.org", "192.0.2.12"
	client, web     = "client", "web"
	shared          = "192.0.2.100"
	front           = "front"
	crossOver       = "crossover"
)

const (
	// program is this binary, as every process sees it, wherever the file is.
	program = "/proc/self/exe"
	// socket is where a daemon with the usual places listens.
	socket = "/run/lubdub/api.sock"

	requestPace = 5 * time.Millisecond
	// patience is how long the client waits for one answer. After a second the
	// kernel tries to connect once more, and would hide an outage.
	patience  = 800 * time.Millisecond
	probePace = 10 * time.Millisecond

	// orderTime is for one command; they answer in milliseconds.
	orderTime = 10 * time.Second
	// leaveTime is for a daemon to hand over and to stop the proxy, which may drain for seconds.
	leaveTime = 15 * time.Second
)

// node is one of the two, with the daemon on it.
type node struct {
	*lab.Host
	name   string // as uname -n prints it; the lab's own names are short
	mac    string
	daemon *lab.Process // nil: none was started since the power came back
}

// world is what the demo plays with.
type world struct {
	lab    *lab.Lab
	a, b   *node
	secret string
	load   *lab.Load
	prober *lab.Prober
	web    *http.Server
	ended  chan struct{} // closed when the web server has ended

	busiest time.Duration // the longest gap in a calm
}

func networks() []lab.Network {
	return []lab.Network{
		{Name: front, Ports: []string{short(nameA) + " " + addressA + "/24", short(nameB) + " " + addressB + "/24", client + " 192.0.2.50/24", web + " 192.0.2.80/24"}},
		{Name: crossOver, Ports: []string{short(nameA) + " 10.0.0.1/24", short(nameB) + " 10.0.0.2/24"}, CrossOver: true},
	}
}

// build makes the world; no daemon runs in it yet. Logs go to dir.
func build(dir string) (*world, error) {
	l, err := lab.New(dir, networks()...)
	if err != nil {
		return nil, err
	}
	w := &world{lab: l, secret: newSecret()}
	w.a, w.b = newNode(l, nameA), newNode(l, nameB)
	if err := errors.Join(w.configure("no"), w.serve()); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func newNode(l *lab.Lab, name string) *node {
	n := &node{Host: l.Host(short(name)), name: name}
	_, n.mac = n.Interface(front)
	return n
}

// close removes everything.
func (w *world) close() error {
	if w.load != nil {
		w.load.Stop()
	}
	if w.prober != nil {
		w.prober.Stop()
	}
	var err error
	if w.web != nil {
		err = w.web.Close()
		<-w.ended
	}
	return errors.Join(err, w.lab.Close())
}

// configure writes the same files on both nodes.
func (w *world) configure(failback string) error {
	for _, f := range files(failback) {
		for _, n := range []*node{w.a, w.b} {
			if err := n.WriteFile(configDir+f.name, f.text(w.secret), secretMode); err != nil {
				return fmt.Errorf("write %s on %s: %w", f.name, n.name, err)
			}
		}
	}
	return nil
}

// serve starts the web server. It says through which node a request came: the
// address that it came from is no word of the proxy.
func (w *world) serve() error {
	var l net.Listener
	err := w.lab.Host(web).Do(func() (err error) {
		l, err = net.Listen("tcp4", ":80")
		return err
	})
	if err != nil {
		return fmt.Errorf("start the web server: %w", err)
	}
	through := map[string]string{addressA: nameA, addressB: nameB}
	w.web = &http.Server{ReadHeaderTimeout: orderTime, Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		from, _, _ := net.SplitHostPort(r.RemoteAddr)
		rw.Header().Set("X-Served-By", through[from])
		fmt.Fprintln(rw, "lub-dub")
	})}
	w.ended = make(chan struct{})
	go func() {
		defer close(w.ended)
		_ = w.web.Serve(l) // it ends with Close, and says so
	}()
	return nil
}

// watch starts the client and the prober.
func (w *world) watch() (err error) {
	c := w.lab.Host(client)
	if w.prober, err = c.Probe(front, shared, probePace); err != nil {
		return err
	}
	w.load, err = c.Load("http://"+shared, lab.Pace{Every: requestPace, Timeout: patience})
	return err
}

// start starts the daemon on a machine that has its whole name.
func (n *node) start() (err error) {
	if err := n.Do(func() error { return unix.Sethostname([]byte(n.name)) }); err != nil {
		return fmt.Errorf("name %s: %w", n.name, err)
	}
	n.daemon, err = n.Start(program, "run")
	return err
}

// stop asks the daemon to leave, and waits for its end.
func (n *node) stop(ctx context.Context) error {
	if err := n.daemon.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop lubdub on %s: %w", n.name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, leaveTime)
	defer cancel()
	if err := n.daemon.Wait(ctx); err != nil {
		return fmt.Errorf("stop lubdub on %s: %w", n.name, err)
	}
	return nil
}

// boot gives the node its power back and starts the daemon.
func (n *node) boot() error {
	if err := n.PowerOn(); err != nil {
		return err
	}
	return n.start()
}

// lubdub runs a command of lubdub on the node, as an operator does.
func (n *node) lubdub(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, orderTime)
	defer cancel()
	out, err := n.Run(ctx, program, args...)
	if err != nil {
		return out, fmt.Errorf("lubdub %s on %s: %w", strings.Join(args, " "), n.name, err)
	}
	return out, nil
}

// status asks the daemon; ok is false when it does not answer. The socket is
// reached through the daemon's own view of the files, without a new process.
func (n *node) status(ctx context.Context) (s api.Status, ok bool) {
	if n.daemon == nil {
		return s, false
	}
	path := fmt.Sprintf("/proc/%d/root%s", n.daemon.Pid(), socket)
	if _, err := os.Stat(path); err != nil {
		return s, false
	}
	s, err := api.NewClient(path).Status(ctx)
	return s, err == nil
}

// settled says that both daemons are at ease, with owner as the owner. It is asked to know when to go on.
func (w *world) settled(ctx context.Context, owner *node) bool {
	for _, n := range []*node{w.a, w.b} {
		s, ok := n.status(ctx)
		if !ok || !atEase(s) || n == owner && s.Groups[0].State != "running" {
			return false
		}
	}
	return true
}

// atEase says that a daemon and the other hear each other on every link, and that its proxy runs: warm, or serving.
func atEase(s api.Status) bool {
	if s.Peer.Membership != "up" || len(s.Groups) != 1 {
		return false
	}
	for _, l := range s.Links {
		if !l.Up || !l.Peer {
			return false
		}
	}
	for _, r := range s.Groups[0].Resources {
		if r.Name == "lubdub-proxy" && r.State != "running" {
			return false
		}
	}
	return true
}
