package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

// maxFrame is more than any frame of the lab: its interfaces have an MTU of 1500.
const maxFrame = 2048

// signalContext is a context that ends when the lab asks a tool to stop.
func signalContext() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), syscall.SIGTERM)
}

// probe is the prober's process: one goroutine asks, this one reports what is asked and seen.
func probe(ctx context.Context, c probeConfig, begin func() (*json.Encoder, error)) error {
	ifi, err := net.InterfaceByName(c.Interface)
	if err != nil {
		return fmt.Errorf("probe on %s: %w", c.Interface, err)
	}
	own, err := ownAddress(ifi, c.Address)
	if err != nil {
		return err
	}
	protocol, question, decode := unix.ETH_P_ARP, arpQuestion, arpAnswer
	if c.Address.Is6() {
		protocol, question, decode = unix.ETH_P_IPV6, ndQuestion, ndAnswer
	}
	conn, err := packet.Listen(ifi, packet.Raw, protocol, nil)
	if err != nil {
		return fmt.Errorf("probe on %s: open a packet socket: %w", c.Interface, err)
	}
	defer conn.Close()
	reports, err := begin()
	if err != nil {
		return err
	}
	sightings := make(chan sighting, 64)
	read := make(chan error, 1)
	go func() { read <- readAnswers(ctx, conn, decode, c.Address, sightings) }()
	frame := question(ifi.HardwareAddr, own, c.Address)
	destination := &packet.Addr{HardwareAddr: net.HardwareAddr(frame[:6])}
	tick := time.NewTicker(c.Every)
	defer tick.Stop()
	for {
		var s sighting
		select {
		case s = <-sightings:
		case <-tick.C:
			s.At = Now()
			// A link that is down takes no question; the next one is due soon.
			if _, err := conn.WriteTo(frame, destination); err != nil {
				continue
			}
		case err := <-read:
			return err
		case <-ctx.Done():
			conn.Close()
			<-read
			return nil
		}
		if err := reports.Encode(s); err != nil {
			return err
		}
	}
}

// readAnswers passes on each answer until the socket is closed. A link that goes down ends nothing.
func readAnswers(ctx context.Context, conn *packet.Conn, decode func([]byte, netip.Addr) (sighting, bool),
	address netip.Addr, sightings chan<- sighting) error {
	buffer := make([]byte, maxFrame)
	for {
		n, _, err := conn.ReadFrom(buffer)
		if errors.Is(err, unix.ENETDOWN) {
			continue
		}
		if err != nil {
			return err
		}
		s, ok := decode(buffer[:n], address)
		if !ok {
			continue
		}
		s.At = Now()
		select {
		case sightings <- s:
		case <-ctx.Done():
			return os.ErrClosed
		}
	}
}

// ownAddress returns the interface's first address of the same family as the one asked for.
func ownAddress(ifi *net.Interface, like netip.Addr) (netip.Addr, error) {
	addresses, err := ifi.Addrs()
	if err != nil {
		return netip.Addr{}, err
	}
	for _, a := range addresses {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().Is4() == like.Is4() {
			return prefix.Addr(), nil
		}
	}
	return netip.Addr{}, fmt.Errorf("probe for %s: %s has no address of that family; give it one in the plan", like, ifi.Name)
}
