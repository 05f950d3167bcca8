package vip

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

// drainNet is a switch with two nodes, of which each serves the shared addresses, and a client.
type drainNet struct {
	t         testing.TB
	sw        string
	old, new  *leaseNet
	client    string
	clientMAC string
}

// drainPort is where the nodes serve in drain tests.
const drainPort = 8888

func needDrainNet(t testing.TB) *drainNet {
	t.Helper()
	n := &drainNet{t: t, old: needLeaseNet(t), new: needLeaseNet(t)}
	n.sw, n.client = n.old.client+"s", n.old.client
	n.old.run("ip", "netns", "add", n.sw)
	t.Cleanup(func() { n.old.run("ip", "netns", "del", n.sw) })
	n.old.in(n.sw, "ip", "link", "add", "br0", "type", "bridge")
	n.old.in(n.sw, "ip", "link", "set", "br0", "up")
	// The cable between each node and its client now ends at the switch, and one client has a port of its own.
	n.clientMAC = n.plug(n.client, "v1", 2)
	n.old.mac = n.plug(n.old.owner, "v0", 1)
	n.new.mac = n.plug(n.new.owner, "v0", 3)
	return n
}

// plug gives a namespace a new interface on a port of the switch, in place of the one it had, and returns its MAC.
func (n *drainNet) plug(ns, name string, number int) string {
	n.t.Helper()
	port := fmt.Sprint("p", number)
	_ = exec.Command("ip", "-n", ns, "link", "del", name).Run()
	n.old.in(ns, "ip", "link", "add", name, "type", "veth", "peer", "name", port, "netns", n.sw)
	n.old.in(n.sw, "ip", "link", "set", port, "master", "br0", "up")
	n.old.in(ns, "ip", "link", "set", name, "up")
	n.old.in(ns, "ip", "addr", "add", fmt.Sprintf("192.0.2.%d/24", number), "dev", name)
	n.old.in(ns, "ip", "addr", "add", fmt.Sprintf("2001:db8::%d/64", number), "dev", name, "nodad")
	return strings.TrimSpace(n.old.in(ns, "cat", "/sys/class/net/"+name+"/address"))
}

func macOf(t testing.TB, text string) MAC {
	t.Helper()
	hw, err := net.ParseMAC(text)
	if err != nil {
		t.Fatal(err)
	}
	return MAC(hw)
}

// drainOptions are those of a node that knows its interface.
func drainOptions() LeaseOptions {
	return LeaseOptions{Interfaces: map[netip.Addr]string{shared4: "v0", shared6: "v0"}}
}

// serve answers each line with its own name and the line, and "push" a while later. With an address it is
// bound to that.
func (n *drainNet) serve(node *leaseNet, name string, at netip.Addr) {
	n.t.Helper()
	where := fmt.Sprintf(":%d", drainPort)
	if at.IsValid() {
		where = netip.AddrPortFrom(at, drainPort).String()
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_FREEBIND, 1)
			_ = unix.SetsockoptInt(int(fd), unix.SOL_IPV6, unix.IPV6_FREEBIND, 1)
		})
	}}
	node.within(node.owner, func() {
		l, err := config.Listen(context.Background(), "tcp", where)
		if err != nil {
			n.t.Fatal(err)
		}
		n.t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go answer(c, name)
			}
		}()
	})
}

func answer(c net.Conn, name string) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		if line == "push\n" {
			time.Sleep(100 * time.Millisecond)
		}
		if _, err := fmt.Fprintf(c, "%s:%s", name, line); err != nil {
			return
		}
	}
}

// talk is a connection of the client's.
type talk struct {
	net.Conn
	in *bufio.Reader
}

func (n *drainNet) dial(a netip.Addr) *talk {
	n.t.Helper()
	k, err := n.tryDial(a)
	if err != nil {
		n.t.Fatal(err)
	}
	return k
}

func (n *drainNet) tryDial(a netip.Addr) (*talk, error) {
	n.t.Helper()
	var c net.Conn
	var err error
	n.old.within(n.client, func() {
		c, err = net.DialTimeout("tcp", netip.AddrPortFrom(a, drainPort).String(), patience)
	})
	if err != nil {
		return nil, fmt.Errorf("new connection to %v: %w", a, err)
	}
	n.t.Cleanup(func() { c.Close() })
	return &talk{c, bufio.NewReader(c)}, nil
}

// say sends a line and returns who answered it.
func (k *talk) say(line string) (string, error) {
	_ = k.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(k, line+"\n"); err != nil {
		return "", err
	}
	got, err := k.in.ReadString('\n')
	name, rest, _ := strings.Cut(strings.TrimSpace(got), ":")
	if err == nil && rest != line {
		err = fmt.Errorf("answer %.80q to %.80q", got, line)
	}
	return name, err
}

// announce tells the network that an address is at a node, as a Front does.
func (n *drainNet) announce(node *leaseNet, a netip.Addr) {
	n.t.Helper()
	mac := macOf(n.t, node.mac)
	frames, proto := arpAnnouncements(mac, a), 0x0806
	if a.Is6() {
		frames, proto = [][]byte{ndAnnouncement(mac, a)}, 0x86dd
	}
	node.within(node.owner, func() {
		ifi, err := net.InterfaceByName("v0")
		if err != nil {
			n.t.Fatal(err)
		}
		c, err := packet.Listen(ifi, packet.Raw, proto, nil)
		if err != nil {
			n.t.Fatal(err)
		}
		defer c.Close()
		for _, f := range frames {
			if _, err := c.WriteTo(f, &packet.Addr{HardwareAddr: f[:6]}); err != nil {
				n.t.Fatal(err)
			}
		}
	})
}

// capture notes the TCP frames that come into a port of the switch until the returned function is called. That waits until there are
// enough, and returns how often each pair "source > destination" was seen.
func (n *drainNet) capture(port string) func(enough func(map[string]int) bool) map[string]int {
	n.t.Helper()
	file := filepath.Join(n.t.TempDir(), "frames")
	cmd := exec.Command("ip", "netns", "exec", n.sw, "tcpdump", "--immediate-mode", "-U", "-Q", "in", "-i", port, "-w", file, "tcp or ip6 proto 6")
	said, err := cmd.StderrPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	_, _ = bufio.NewReader(said).ReadString('\n') // it listens
	go func() { _, _ = io.Copy(io.Discard, said) }()
	ended := false
	end := func() {
		if !ended {
			ended = true
			_ = cmd.Process.Signal(os.Interrupt)
			_ = cmd.Wait()
		}
	}
	n.t.Cleanup(end)
	pairs := func() map[string]int {
		pairs := make(map[string]int)
		out, _ := exec.Command("tcpdump", "-tenr", file).Output() // the last frame may be half written
		for _, line := range strings.Split(string(out), "\n") {
			if words := strings.Fields(line); len(words) > 3 && words[1] == ">" {
				pairs[words[0]+" > "+strings.TrimSuffix(words[2], ",")]++
			}
		}
		return pairs
	}
	return func(enough func(map[string]int) bool) map[string]int {
		patient(true, func() bool { return enough(pairs()) })
		time.Sleep(100 * time.Millisecond) // and whatever should not come
		end()
		return pairs()
	}
}
