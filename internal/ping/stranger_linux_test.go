package ping

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// muteThere keeps the other machine's kernel from answering, so that TestStation can.
func (w *world) muteThere() {
	w.t.Helper()
	w.there("sysctl -qw net.ipv4.icmp_echo_ignore_all=1")
}

// station starts TestStation in the other namespace, and returns when it listens.
func (w *world) station(role string) {
	w.t.Helper()
	args := w.thereArgs(os.Args[0] + " -test.run=^TestStation$ -test.timeout=5m")
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), stationVariable+"="+role, noExitPause)
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	w.start(cmd)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if lines.Text() == "ready" {
			return
		}
	}
	w.t.Fatalf("the station %q ended", role)
}

// TestStation is no test of its own: it answers questions as its role says, until it is killed.
func TestStation(t *testing.T) {
	role := os.Getenv(stationVariable)
	if role == "" {
		t.Skip("plays another station for the other tests")
	}
	right, wrong := openStation(t, "192.0.2.2"), openStation(t, "192.0.2.3")
	fmt.Println("ready")
	b := make([]byte, 1500)
	for {
		n, from, err := right.ReadFrom(b)
		if err != nil {
			t.Fatal(err)
		}
		m, err := icmp.ParseMessage(1, b[:n])
		if err != nil || m.Type != ipv4.ICMPTypeEcho {
			continue
		}
		act(t, role, *m.Body.(*icmp.Echo), from, right, wrong)
	}
}

func openStation(t *testing.T, addr string) *net.IPConn {
	t.Helper()
	c, err := net.ListenIP("ip4:icmp", &net.IPAddr{IP: net.ParseIP(addr)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// act answers one question in a role.
func act(t *testing.T, role string, e icmp.Echo, to net.Addr, right, wrong *net.IPConn) {
	send := func(c *net.IPConn, e icmp.Echo) {
		b, err := (&icmp.Message{Type: ipv4.ICMPTypeEchoReply, Body: &e}).Marshal(nil)
		if err == nil {
			_, err = c.WriteTo(b, to)
		}
		if err != nil {
			t.Error(err)
		}
	}
	data := bytes.Clone(e.Data)
	name, words, _ := strings.Cut(role, " ")
	switch name {
	case "honest":
		send(right, e)
	case "late":
		after, err := time.ParseDuration(words)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(after, func() { e.Data = data; send(right, e) })
	case "twice":
		send(right, e)
		send(right, e)
	case "otherSource":
		send(wrong, e)
	case "wrongNonce":
		data[len(data)-1] ^= 1
		send(right, icmp.Echo{ID: e.ID, Seq: e.Seq, Data: data})
	case "wrongSequence":
		send(right, icmp.Echo{ID: e.ID, Seq: e.Seq + 1, Data: data})
	case "wrongIdentifier":
		send(right, icmp.Echo{ID: e.ID ^ 1, Seq: e.Seq, Data: data})
	case "wrongTarget":
		data[1]++
		send(right, icmp.Echo{ID: e.ID, Seq: e.Seq, Data: data})
	case "outOfRange":
		data[0], data[1] = 0xff, 0xff
		send(right, icmp.Echo{ID: e.ID, Seq: e.Seq, Data: data})
	case "shorter":
		send(right, icmp.Echo{ID: e.ID, Seq: e.Seq, Data: data[:len(data)-1]})
	case "longer":
		send(right, icmp.Echo{ID: e.ID, Seq: e.Seq, Data: append(data, 0)})
	default:
		t.Fatalf("no role %q", role)
	}
}

// What is no answer of the neighbour to an open question does not count, and does no harm to what does.
func TestStranger(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	w.muteThere()
	for _, role := range []string{"otherSource", "wrongNonce", "wrongSequence", "wrongIdentifier", "wrongTarget", "outOfRange", "shorter", "longer", "late 2100ms"} {
		t.Run(role, func(t *testing.T) {
			w := &world{t: t, other: w.other}
			w.station(role)
			l, stop := w.listen(20*time.Millisecond, "192.0.2.2", "192.0.2.3")
			w.replies(10)
			time.Sleep(50 * time.Millisecond) // the Pinger gets them too
			stop()
			if n := len(l.answers(0, 0)) + len(l.answers(1, 0)); n > 0 {
				t.Errorf("%d answers count", n)
			}
		})
	}
	t.Run("honest", func(t *testing.T) {
		w := &world{t: t, other: w.other}
		w.station("honest")
		l, _ := w.listen(20*time.Millisecond, "192.0.2.2")
		l.wait(0, 3, 0)
	})
}

// replies waits until a number of echo replies has come to this machine.
func (w *world) replies(count int) {
	w.t.Helper()
	fd, err := openRaw(false, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0); err != nil {
		w.t.Fatal(err)
	}
	for end := time.Now().Add(patience); count > 0; time.Sleep(2 * time.Millisecond) {
		for {
			if _, _, err := unix.Recvfrom(fd, make([]byte, 1500), 0); err != nil {
				break
			}
			count--
		}
		if time.Now().After(end) {
			w.t.Fatal("no replies come: the test proves nothing")
		}
	}
}

// A second copy of an answer is passed over.
func TestTwice(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	w.muteThere()
	w.station("twice")
	l, _ := w.listen(20*time.Millisecond, "192.0.2.2")
	all := l.wait(0, 20, 0)
	for i := range all[1:] {
		if all[i].sent == all[i+1].sent {
			t.Fatal("one question is answered twice")
		}
	}
}

// Only replies with our identifier wake us: neither questions, nor what other programs of this machine ask.
func TestKernelFilter(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	const id = 700
	data := []byte("0123456789abcdefgh")
	for _, f := range []struct {
		six           bool
		network, here string
		there         string
		kind          icmp.Type
	}{
		{false, "ip4:icmp", "127.0.0.1", "192.0.2.2", ipv4.ICMPTypeEcho},
		{true, "ip6:ipv6-icmp", "::1", "2001:db8::2", ipv6.ICMPTypeEchoRequest},
	} {
		fd, err := openRaw(f.six, id)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		for _, q := range []struct {
			to   string
			id   int
			want int
		}{{f.there, id ^ 1, 0}, {f.there, id, 1}, {f.here, id, 1}} { // here question and answer pass, and the answer counts
			if !w.foreign(f.network, q.to, icmp.Message{Type: f.kind, Body: &icmp.Echo{ID: q.id, Data: data}}) {
				t.Fatalf("%s does not answer: the test proves nothing", q.to)
			}
			got := 0
			for end := time.Now().Add(patience); ; {
				if _, _, err := unix.Recvfrom(fd, make([]byte, 1500), 0); err == nil {
					got++
				} else if got >= q.want || time.Now().After(end) { // the kernel may be about to give us ours
					break
				}
			}
			if got != q.want {
				t.Errorf("identifier %d to %s: %d packets come in, want %d", q.id, q.to, got, q.want)
			}
		}
	}
}

// foreign asks as another program of this machine does, and says whether that one was answered.
func (w *world) foreign(network, target string, m icmp.Message) bool {
	w.t.Helper()
	c, err := net.DialIP(network, nil, &net.IPAddr{IP: net.ParseIP(target)})
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	b, err := m.Marshal(nil)
	if err == nil {
		_, err = c.Write(b)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		w.t.Fatal(err)
	}
	answer := make([]byte, 1500)
	for {
		n, err := c.Read(answer)
		if err != nil {
			return false
		}
		if bytes.HasSuffix(answer[:n], m.Body.(*icmp.Echo).Data) && answer[len(answer[:n])-len(b)] != b[0] {
			return true
		}
	}
}

// What is on the cable is right in tshark's eyes.
func TestOnTheCable(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "ping.pcap")
	args := w.thereArgs("tcpdump -i ldp1 -Z root --immediate-mode -U -w " + file + " icmp or icmp6")
	cmd := exec.Command(args[0], args[1:]...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	w.start(cmd)
	lines := bufio.NewScanner(stderr)
	for lines.Scan() && !strings.Contains(lines.Text(), "listening on") {
	}
	l, stop := w.listen(20*time.Millisecond, "192.0.2.2", "2001:db8::2")
	l.wait(0, 5, 0)
	l.wait(1, 5, 0)
	stop()
	// What comes before this question is in the file when it is.
	sign := []byte("end of the capture")
	if !w.foreign("ip4:icmp", "192.0.2.2", icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: 1, Data: sign}}) {
		t.Fatal("192.0.2.2 does not answer any more")
	}
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if text, err := os.ReadFile(file); err == nil && bytes.Count(text, sign) == 2 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the capture does not end")
		}
	}
	if err := cmd.Process.Signal(unix.SIGINT); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
	}
	for _, f := range []struct{ request, reply, fields string }{
		{"icmp.type==8 && icmp.ident!=1", "icmp.type==0", "icmp.checksum.status icmp.ident icmp.seq data.len"},
		{"icmpv6.type==128", "icmpv6.type==129", "icmpv6.checksum.status icmpv6.echo.identifier icmpv6.echo.sequence_number data.len"},
	} {
		requests, replies := tshark(t, file, f.request, f.fields), tshark(t, file, f.reply, f.fields)
		if len(requests) < 5 {
			t.Errorf("%s: %d requests, want 5 or more", f.request, len(requests))
		}
		for i, r := range requests {
			words := strings.Fields(r)
			if len(words) != 4 || words[0] != "1" || words[3] != "18" {
				t.Errorf("%s: checksum, identifier, sequence, length are %q, want a good checksum (1) and 18 bytes", f.request, r)
			}
			if i < len(requests)-1 && !slices.Contains(replies, r) { // the last one's answer may have missed the end
				t.Errorf("%s: %q has no reply", f.request, r)
			}
			if i > 0 && r == requests[i-1] {
				t.Errorf("%s: %q was asked twice", f.request, r)
			}
		}
	}
}

// tshark reads the fields of each frame that the filter passes, a line each.
func tshark(t *testing.T, file, filter, fields string) []string {
	t.Helper()
	cmd := exec.Command("tshark", "-r", file, "-T", "fields", "-E", "separator=/s", "-Y", filter)
	for _, f := range strings.Fields(fields) {
		cmd.Args = append(cmd.Args, "-e", f)
	}
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v: %s", cmd.Args, err, problems.String())
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}
