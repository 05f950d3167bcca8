package vip

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

// TestStation is no test: it plays another station for the tests that start it, on ld1, and prints what it meets.
func TestStation(t *testing.T) {
	role := strings.Fields(os.Getenv(roleVariable))
	if len(role) == 0 {
		t.Skip("it is started by other tests")
	}
	f, err := OpenFront("ld1")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fmt.Println("ready")
	switch role[0] {
	case "probe": // ADDRESS COUNT GAP: probe once
		playProbe(t, f, role[1:])
	case "announce": // ADDRESS COUNT
		playAnnounce(t, f, role[1:])
	case "anything": // NETWORK: answer every ARP question for an address of it, as some proxies and clouds do
		playAnything(t, netip.MustParsePrefix(role[1]))
	case "last": // for ever print the time and the time of the last frame
		for {
			fmt.Println(Boottime(), f.LastFrame())
			time.Sleep(5 * time.Millisecond)
		}
	default:
		t.Fatalf("no role %q", role)
	}
}

func playAnything(t *testing.T, network netip.Prefix) {
	index, err := interfaceIndex("ld1")
	if err != nil {
		t.Fatal(err)
	}
	s, err := openSession(index)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	fmt.Println("answers")
	for {
		frame := make([]byte, maxFrame)
		n, _, err := s.arp.conn.ReadFrom(frame)
		if err != nil {
			t.Fatal(err)
		}
		p, err := parseARP(frame[:n])
		if err != nil || p.op != arpRequest || !network.Contains(p.target) {
			continue
		}
		p.from, p.op, p.targetMAC, p.senderMAC, p.sender, p.target = s.mac, arpReply, p.senderMAC, s.mac, p.target, p.sender
		if err := s.send(p.frame()); err != nil {
			t.Fatal(err)
		}
	}
}

func playProbe(t *testing.T, f *Front, role []string) {
	q := Query{Address: addr(role[0])}
	if _, err := fmt.Sscan(role[1], &q.Count); err != nil {
		t.Fatal(err)
	}
	var err error
	if q.Gap, err = time.ParseDuration(role[2]); err != nil {
		t.Fatal(err)
	}
	r, err := f.Probe(context.Background(), q)
	fmt.Println(r.Ended, "holders", r.Holders, "rivals", r.Rivals, "error", err)
}

// played is what a station's probing came to, and when it ended.
type played struct {
	ended int64
	text  string
}

// probed reads what a station that probes has printed.
func (s *station) probed(t *testing.T) (p played) {
	t.Helper()
	at, text, _ := strings.Cut(s.line(t), " ")
	if _, err := fmt.Sscan(at, &p.ended); err != nil {
		t.Fatal(err)
	}
	p.text = text
	return p
}

func playAnnounce(t *testing.T, f *Front, role []string) {
	var count int
	if _, err := fmt.Sscan(role[1], &count); err != nil {
		t.Fatal(err)
	}
	for range count {
		if err := f.Announce(addr(role[0])); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println("announced")
}
