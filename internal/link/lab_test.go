package link

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The tests run in a network namespace without a name, made by starting the test
// binary once more. So nothing that they do can stay behind: the namespace goes
// with its last process. Each test that needs another machine starts one: the
// same binary again, in a namespace of its own, which answers on every link.
const (
	insideEnv = "LINK_TEST_INSIDE" // set in the test process inside its namespace
	peerEnv   = "LINK_TEST_PEER"   // the peer's links, as JSON
)

// testPort is where the links of the tests meet.
const testPort = 694

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(peerEnv) != "":
		os.Exit(bePeer())
	case os.Getuid() != 0:
		os.Exit(m.Run())
	case os.Getenv(insideEnv) != "":
		if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "ip link set lo up: %v\n%s", err, out)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	runtime.LockOSThread() // Pdeathsig is about the thread that starts the process
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "run the tests in a network namespace:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// bePeer answers each datagram that begins with "ask" on the link that it came by,
// until standard input ends.
func bePeer() int {
	var specs []Spec
	if err := json.Unmarshal([]byte(os.Getenv(peerEnv)), &specs); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("ready")
	received := make(chan Datagram, 1024)
	s := NewSet()
	defer s.Close()
	for _, spec := range specs {
		s.Open(spec, received)
	}
	end := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(end)
	}()
	refresh := time.NewTicker(20 * time.Millisecond) // as if netlink had told
	defer refresh.Stop()
	for {
		select {
		case <-end:
			return 0
		case <-refresh.C:
			s.Refresh()
		case d := <-received:
			if strings.HasPrefix(string(d.Data), "ask ") {
				_ = d.Link.Send(fmt.Appendf(nil, "answer to %s by %s", d.Data, d.Link))
			}
		}
	}
}

// needRoot skips a test that makes interfaces.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Getenv(insideEnv) == "" {
		t.Skip("needs root: makes network namespaces and interfaces")
	}
}

// machine is the other machine: a process in a network namespace of its own.
type machine struct {
	t   testing.TB
	pid int
}

// newMachine starts a machine with the links that specs name.
func newMachine(t testing.TB, specs ...Spec) *machine {
	t.Helper()
	needRoot(t)
	links, err := json.Marshal(specs)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	// The race detector waits a second at the end of a process if not told otherwise.
	cmd.Env = append(os.Environ(), peerEnv+"="+string(links), "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error("peer:", err)
		}
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("peer said %q, %v", line, err)
	}
	m := &machine{t: t, pid: cmd.Process.Pid}
	m.ip("link set lo up")
	return m
}

// ip runs the ip command on the other machine.
func (m *machine) ip(args string) {
	m.t.Helper()
	run(m.t, "nsenter -t "+strconv.Itoa(m.pid)+" -n ip "+args)
}

// within runs f on a thread that is in the machine's namespace: a socket that it
// opens belongs there.
func (m *machine) within(f func()) {
	m.t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/net", m.pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Setns(fd, unix.CLONE_NEWNET)
			unix.Close(fd)
		}
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		m.t.Fatal(err)
	}
}

// listen opens a plain UDP socket on the other machine.
func (m *machine) listen(network, address string) *net.UDPConn {
	m.t.Helper()
	var conn *net.UDPConn
	var err error
	m.within(func() {
		var addr *net.UDPAddr
		if addr, err = net.ResolveUDPAddr(network, address); err == nil {
			conn, err = net.ListenUDP(network, addr)
		}
	})
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { conn.Close() })
	return conn
}

// cable lays a cable to the other machine; both ends are called name and set up.
func (m *machine) cable(name string) {
	m.t.Helper()
	run(m.t, fmt.Sprintf("ip link add %s type veth peer name %s netns %d", name, name, m.pid))
	m.t.Cleanup(func() { _ = exec.Command("ip", "link", "del", name).Run() })
	run(m.t, "ip link set "+name+" up")
	m.ip("link set " + name + " up")
}

// addresses gives both ends of a cable theirs: here .1 (::1), there .2 (::2).
func (m *machine) addresses(name, net4, net6 string) {
	m.t.Helper()
	run(m.t, "ip addr add "+net4+".1/24 brd + dev "+name)
	m.ip("addr add " + net4 + ".2/24 brd + dev " + name)
	if net6 != "" {
		run(m.t, "ip addr add "+net6+"::1/64 nodad dev "+name)
		m.ip("addr add " + net6 + "::2/64 nodad dev " + name)
	}
}

func run(t testing.TB, command string) {
	t.Helper()
	words := strings.Fields(command)
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// eventually waits until ok returns true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// ask sends a question on a link until it is answered, and returns the answer.
// What arrives by other links meanwhile is an error; our own questions, which
// come back by broadcast, are not.
func ask(t testing.TB, l *Link, received <-chan Datagram) Datagram {
	t.Helper()
	question := fmt.Sprintf("ask %d by %s", time.Now().UnixNano(), l)
	end := time.After(patience)
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	var last error
	for {
		last = l.Send([]byte(question))
		for waiting := true; waiting; {
			select {
			case d := <-received:
				if strings.Contains(string(d.Data), question) && d.Link != l {
					t.Errorf("%s: %q from %v to %v is credited to %s", l, d.Data, d.From, d.To, d.Link)
				}
				if strings.HasPrefix(string(d.Data), "answer to "+question) {
					return d
				}
			case <-again.C:
				waiting = false
			case <-end:
				t.Fatalf("%s: no answer within %v; state %+v, last error %v", l, patience, l.State(), last)
			}
		}
	}
}
