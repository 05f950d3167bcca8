package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	startLimit  = 5 * time.Second // to accept; measured are some 20 ms
	askInterval = time.Second     // between two looks at the status page
	askLimit    = time.Second     // for its answer
	askPatience = 3               // unanswered in a row: the worker hangs and is killed
	killMargin  = 2 * time.Second // beyond the drain time, for a worker to end by itself
)

// child is a worker as its supervisor holds it.
type child struct {
	number   int
	settings Settings
	command  *exec.Cmd
	channel  *channel
	socket   string // of its status page
	client   *http.Client
	born     time.Time
	limit    *time.Timer // kills it when it is late with being ready, or with ending
	last     atomic.Pointer[report]
}

// launch is all that a child is started with.
type launch struct {
	number   int
	settings Settings
	sockets  sockets
	pair     *keyPair
	log      *os.File // nil: none
	lock     *os.File // held by the child as long as it lives
	place    Place
}

// start starts a child and hands it everything over. It does not wait for it to be ready.
func (l launch) start() (*child, error) {
	ours, theirs, err := newChannel()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	c := &child{number: l.number, settings: l.settings, channel: ours, socket: l.place.directory(l.settings.Name).worker(l.number)}
	c.client = unixClient(c.socket)
	if err := l.spawn(c, theirs); err != nil {
		return nil, errors.Join(err, ours.close())
	}
	c.born = time.Now()
	if err := l.handOver(c); err != nil {
		err = errors.Join(err, c.command.Process.Kill(), ours.close())
		_ = c.command.Wait() // says only that it was killed
		return nil, err
	}
	c.limit = time.AfterFunc(startLimit, c.kill)
	return c, nil
}

func (l launch) spawn(c *child, theirs *os.File) error {
	who, err := credential(l.settings.User)
	if err != nil {
		return err
	}
	c.command = exec.Command("/proc/self/exe", l.place.worker()...)
	c.command.Env = workerEnvironment()
	c.command.Dir = "/"
	c.command.Stderr = os.Stderr
	c.command.ExtraFiles = []*os.File{theirs, l.lock}
	// A group of its own: a Ctrl-C at the supervisor's terminal is the supervisor's to handle. No death signal: a worker
	// notices by its channel that the supervisor is gone, and may then finish what it has.
	c.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: who}
	if err := startConfined(c.command, nil); err != nil {
		return fmt.Errorf("start a worker: %w", err)
	}
	return nil
}

// workerEnvironment passes on what changes how a Go program runs, and nothing else.
func workerEnvironment() []string {
	var list []string
	for _, name := range []string{"TZ", "GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GOTRACEBACK", "GORACE"} {
		if value, ok := os.LookupEnv(name); ok {
			list = append(list, name+"="+value)
		}
	}
	return list
}

func (l launch) handOver(c *child) error {
	_ = os.Remove(c.socket) // of an earlier supervisor's worker
	private, err := net.Listen("unix", c.socket)
	if err != nil {
		return err
	}
	status := private.(*net.UnixListener)
	status.SetUnlinkOnClose(false)
	defer status.Close()
	numbers, err := l.sockets.descriptors(l.settings)
	if err != nil {
		return err
	}
	own, err := descriptor(status)
	if err != nil {
		return err
	}
	numbers = append(numbers, own)
	if l.log != nil {
		numbers = append(numbers, int(l.log.Fd()))
	}
	err = c.channel.send(order{Settings: &l.settings, Certificate: l.pair, Log: l.log != nil}, numbers...)
	if err != nil {
		return fmt.Errorf("hand the sockets to the worker: %w", err)
	}
	return nil
}

func (c *child) id() int { return c.command.Process.Pid }

func (c *child) kill() { _ = c.command.Process.Kill() } // an error says that it has ended

// end asks the child to drain, and sees to it that it ends.
func (c *child) end() {
	_ = c.command.Process.Signal(syscall.SIGTERM) // an error says that it has ended
	c.limit.Reset(farewell + c.settings.DrainTime + killMargin)
}

// follow tells what the child says, and last how it ended.
func (c *child) follow(tell func(event)) {
	fault := ""
	for {
		var w word
		files, err := c.channel.receive(&w)
		if err != nil {
			break // io.EOF: it has ended
		}
		closeAll(files) // a worker sends none
		if w.Last != nil {
			c.last.Store(w.Last)
		}
		if w.Fault != "" {
			fault = w.Fault
		}
		if w.Ready {
			tell(readied{c})
		}
	}
	_ = c.channel.close()
	_ = c.command.Wait() // the state says it
	c.limit.Stop()
	c.client.CloseIdleConnections()
	_ = os.Remove(c.socket)
	if fault == "" {
		fault = c.command.ProcessState.String()
	}
	tell(exited{c, fault})
}

// nurse asks the child how it is until the context ends, and kills it when it is mute.
func (c *child) nurse(ctx context.Context, tell func(event)) {
	tick := time.NewTicker(askInterval)
	defer tick.Stop()
	for unanswered := 0; unanswered < askPatience; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if _, err := c.ask(ctx); err == nil || ctx.Err() != nil {
			unanswered = 0
		} else {
			unanswered++
		}
	}
	tell(muted{c})
}

// ask fetches the child's status page.
func (c *child) ask(ctx context.Context) (report, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	var r report
	if err := getJSON(ctx, c.client, statusPage, &r); err != nil {
		return r, err
	}
	c.last.Store(&r)
	return r, nil
}

// unixClient speaks HTTP to whoever listens at the path.
func unixClient(path string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		},
	}}
}

const answerLimit = 1 << 20 // bytes of a status; 64 back ends need some 30 KiB

func getJSON(ctx context.Context, client *http.Client, page string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://lubdub"+page, nil)
	if err != nil {
		return err
	}
	return do(client, r, into)
}

// do sends the request and reads the answer, or turns a refusal into an error with the words of the other side.
func do(client *http.Client, r *http.Request, into any) error {
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, answerLimit))
	if err != nil {
		return err
	}
	if answer.StatusCode >= http.StatusBadRequest {
		return errors.New(string(text))
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}
