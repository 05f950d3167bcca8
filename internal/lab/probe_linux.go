package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os/signal"
	"syscall"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

// signalContext is a context that ends when the lab asks a tool to stop.
func signalContext() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), syscall.SIGTERM)
}

// hearsNothing is the protocol of a packet socket that only sends.
const hearsNothing = 0

// probe is the prober's process: one goroutine asks, this one reports what is asked and seen. What went out is read back from the
// kernel like what came in: so questions and answers stand in the order and with the times at which they passed the interface, also
// when this process has to wait for a core.
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
	tap, err := openTap(ifi, uint32(protocol))
	if err != nil {
		return fmt.Errorf("probe on %s: open a packet socket: %w", c.Interface, err)
	}
	defer tap.conn.Close()
	out, err := packet.Listen(ifi, packet.Raw, hearsNothing, nil) // the tap would not see what it sends itself
	if err != nil {
		return fmt.Errorf("probe on %s: open a packet socket: %w", c.Interface, err)
	}
	defer out.Close()
	reports, err := begin()
	if err != nil {
		return err
	}
	frame := question(ifi.HardwareAddr, own, c.Address)
	sightings := make(chan sighting, 64)
	read := make(chan error, 1)
	go func() {
		read <- tap.readAll(ctx, func(f frameSeen) (sighting, bool) {
			if f.out {
				return sighting{At: f.at}, bytes.Equal(f.data, frame)
			}
			s, ok := decode(f.data, c.Address)
			s.At = f.at
			return s, ok
		}, sightings)
	}()
	destination := &packet.Addr{HardwareAddr: net.HardwareAddr(frame[:6])}
	tick := time.NewTicker(c.Every)
	defer tick.Stop()
	for {
		select {
		case s := <-sightings:
			if err := reports.Encode(s); err != nil {
				return err
			}
		case <-tick.C:
			// A link that is down takes no question; the next one is due soon.
			_, _ = out.WriteTo(frame, destination)
		case err := <-read:
			return err
		case <-ctx.Done():
			tap.conn.Close()
			<-read
			return nil
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
