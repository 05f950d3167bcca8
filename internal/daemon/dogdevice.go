package daemon

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// dogKernel is what the kernel offers for a watchdog device: its documentation
// calls it the watchdog driver API.
type dogKernel interface {
	open(path string) (fd int, err error)
	support(fd int) (identity string, options uint32, err error)
	get(fd int, request uint) (int, error)
	set(fd int, request uint, value int) error
	write(fd int, b byte) error
	close(fd int) error
	// left says, without opening the device, whether it runs, and with which
	// time-out: to open it would feed it.
	left(path string) (timeout time.Duration, runs bool)
}

// kernelDog is the kernel itself.
type kernelDog struct{}

// open opens the device for this process alone: what an agent starts must not hold it.
func (kernelDog) open(path string) (int, error) {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return closed, err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFCHR {
		return closed, fmt.Errorf("it is not a character device: %w", unix.ENODEV)
	}
	return unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
}

func (kernelDog) support(fd int) (string, uint32, error) {
	info, err := unix.IoctlGetWatchdogInfo(fd)
	if err != nil {
		return "", 0, err
	}
	return unix.ByteSliceToString(info.Identity[:]), info.Options, nil
}

func (kernelDog) get(fd int, request uint) (int, error) {
	n, err := unix.IoctlGetUint32(fd, request)
	return int(int32(n)), err // an int of C
}

func (kernelDog) set(fd int, request uint, value int) error {
	return unix.IoctlSetPointerInt(fd, request, value)
}

func (kernelDog) write(fd int, b byte) error {
	_, err := unix.Write(fd, []byte{b})
	return err
}

func (kernelDog) close(fd int) error { return unix.Close(fd) }

// legacyDog is /dev/watchdog, whatever its name: the same device as watchdog0.
var legacyDog = unix.Mkdev(10, 130)

func (kernelDog) left(path string) (time.Duration, bool) {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return 0, false
	}
	rdev := uint64(stat.Rdev)
	dir := fmt.Sprintf("/sys/dev/char/%d:%d/", unix.Major(rdev), unix.Minor(rdev))
	if rdev == legacyDog {
		dir = "/sys/class/watchdog/watchdog0/"
	}
	state, err := os.ReadFile(dir + "state")
	if err != nil || strings.TrimSpace(string(state)) != "active" {
		return 0, false
	}
	text, _ := os.ReadFile(dir + "timeout")
	seconds, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return time.Duration(seconds) * time.Second, true
}
