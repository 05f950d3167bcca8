package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	bindPatience = 2 * time.Second       // a worker whose supervisor died closes its listeners within this
	bindPause    = 10 * time.Millisecond // between two tries
)

// sockets are the listening sockets by address. They belong to the supervisor and stay open from worker to worker.
type sockets map[string]*net.TCPListener

// openSockets opens what the settings ask for and takes over from have what is open already. On an error have is
// as before and nothing else is open. With nothing open yet it waits a moment for an earlier proxy's last worker.
func openSockets(ctx context.Context, s Settings, have sockets) (sockets, error) {
	all := sockets{}
	for _, address := range s.addresses() {
		if l, ok := have[address]; ok {
			all[address] = l
			continue
		}
		open := listen
		if len(have) == 0 {
			open = listenPatiently
		}
		l, err := open(ctx, address)
		if err != nil {
			all.closeExcept(have)
			return nil, fmt.Errorf("listen on %s: %w%s", address, err, bindAdvice(err))
		}
		all[address] = l
	}
	return all, nil
}

func listenPatiently(ctx context.Context, address string) (*net.TCPListener, error) {
	ctx, cancel := context.WithTimeout(ctx, bindPatience)
	defer cancel()
	pause := time.NewTicker(bindPause)
	defer pause.Stop()
	for {
		l, err := listen(ctx, address)
		if !errors.Is(err, unix.EADDRINUSE) {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-pause.C:
		}
	}
}

func listen(ctx context.Context, address string) (*net.TCPListener, error) {
	config := net.ListenConfig{Control: freeBind}
	config.SetMultipathTCP(false) // it would tell clients this node's other addresses; a service has the shared one only
	l, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

// freeBind lets a socket be bound to an address that this node does not have yet, and may never have.
func freeBind(network, _ string, raw syscall.RawConn) error {
	var err error
	control := func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_FREEBIND, 1)
		if network == "tcp6" {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_FREEBIND, 1)
		}
	}
	return errors.Join(raw.Control(control), err)
}

func bindAdvice(err error) string {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return "; another program listens there: `ss -ltnp` shows which"
	case errors.Is(err, unix.EACCES):
		return "; ports below 1024 need root or CAP_NET_BIND_SERVICE"
	}
	return ""
}

// closeExcept closes every socket that keep does not hold too.
func (all sockets) closeExcept(keep sockets) {
	for address, l := range all {
		if keep[address] != l {
			_ = l.Close()
		}
	}
}

// descriptors lists the sockets in the order of the settings. They are valid while the sockets are open.
func (all sockets) descriptors(s Settings) ([]int, error) {
	var list []int
	for _, address := range s.addresses() {
		d, err := descriptor(all[address])
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

// descriptor looks at the number without taking the socket out of non-blocking mode, as File().Fd() would for all
// processes that share it: a worker in accept(2) would then hang.
func descriptor(c syscall.Conn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	number := -1
	err = raw.Control(func(fd uintptr) { number = int(fd) })
	return number, err
}
