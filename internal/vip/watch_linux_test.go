package vip

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// startWatch runs a watch until stop is called, which waits for its end.
func startWatch(t *testing.T, o Observer) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { Watch(ctx, o) })
	return func() {
		begin := time.Now()
		cancel()
		done.Wait()
		if took := time.Since(begin); took > patience {
			t.Errorf("the watch ended after %v", took)
		}
	}
}

// told collects what a watch tells, as text.
func told(lines chan string) Observer {
	return Observer{
		Link: func(l Link, present bool) {
			if l.Name != "lo" && !strings.HasPrefix(l.Name, "tunl") {
				lines <- fmt.Sprint("link ", l.Name, " present ", present, " up ", l.Up, " carrier ", l.Carrier)
			}
		},
		Address: func(a Address, present bool) { lines <- fmt.Sprint("address ", a, " present ", present) },
		Listed:  func() { lines <- "listed" },
	}
}

func TestWatch(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	w.ip("addr add 192.0.2.1/24 dev ld0")
	lines := make(chan string, 1000)
	stop := startWatch(t, told(lines))
	expect := func(what string, want ...string) {
		t.Helper()
		begin := time.Now()
		missing := make(map[string]bool)
		for _, line := range want {
			missing[line] = true
		}
		for end := time.After(patience); len(missing) > 0; {
			select {
			case line := <-lines:
				delete(missing, line)
			case <-end:
				t.Fatalf("%s: not told: %v", what, missing)
			}
		}
		t.Logf("%s: told after %v", what, time.Since(begin))
	}
	expect("begin", "link ld0 present true up true carrier true", "address 192.0.2.1/24 on ld0 present true")
	expect("listing", "listed")
	a := shared("192.0.2.100/24")
	if err := Add(a, 0); err != nil {
		t.Fatal(err)
	}
	expect("added", "address 192.0.2.100/24 on ld0 present true")
	w.ip("addr del 192.0.2.100/24 dev ld0")
	expect("removed by another program", "address 192.0.2.100/24 on ld0 present false")
	const short = 20 // each is over before a listing would find it: only the kernel's news knows of all
	w.run("sh", "-c", fmt.Sprintf("for i in $(seq %d); do ip addr add 192.0.2.101/24 dev ld0; ip addr del 192.0.2.101/24 dev ld0; done", short))
	for range short {
		expect("a short visit", "address 192.0.2.101/24 on ld0 present true")
		expect("its end", "address 192.0.2.101/24 on ld0 present false")
	}
	w.there("ip link set ld1 down")
	expect("cable out", "link ld0 present true up true carrier false")
	w.there("ip link set ld1 up")
	expect("cable in", "link ld0 present true up true carrier true")
	w.ip("link set ld0 down")
	expect("down", "link ld0 present true up false carrier false")
	w.ip("link set ld0 name ld7")
	expect("renamed", "address 192.0.2.1/24 on ld0 present false", "link ld0 present false up false carrier false",
		"link ld7 present true up false carrier false", "address 192.0.2.1/24 on ld7 present true")
	w.ip("link add ld8 type bridge")
	w.ip("link set ld7 master ld8")
	w.ip("link set ld7 nomaster") // told by the bridge as the end of a link, which it is not
	w.ip("link del ld8")
	expect("bridge", "link ld8 present true up false carrier false", "link ld8 present false up false carrier false")
	for len(lines) > 0 {
		if line := <-lines; strings.Contains(line, "ld7") {
			t.Errorf("leaving a bridge was told as %q", line)
		}
	}
	w.ip("link del ld7")
	expect("gone", "link ld7 present false up false carrier false", "address 192.0.2.1/24 on ld7 present false")
	stop()
}

func TestWatchListsAgainAfterLoss(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t)
	var mu sync.Mutex
	there := make(map[string]bool)
	lost := false
	first := make(chan struct{})
	resume := make(chan struct{})
	var once sync.Once
	stop := startWatch(t, Observer{
		Address: func(a Address, present bool) {
			once.Do(func() { // the reader stands still while the kernel makes news
				close(first)
				<-resume
			})
			mu.Lock()
			defer mu.Unlock()
			there[a.Prefix.String()] = present
		},
		Trouble: func(error) { mu.Lock(); defer mu.Unlock(); lost = true },
	})
	w.ip("addr add 192.0.2.1/24 dev ld0")
	<-first
	const many = 4000 // their news is more than twice what newsBuffer holds
	var batch bytes.Buffer
	for i := range many {
		fmt.Fprintf(&batch, "addr add 10.%d.%d.1/32 dev ld0\n", i/200, i%200)
	}
	for i := range many {
		if i%4 != 0 {
			fmt.Fprintf(&batch, "addr del 10.%d.%d.1/32 dev ld0\n", i/200, i%200)
		}
	}
	cmd := exec.Command("ip", "-batch", "-")
	cmd.Stdin = &batch
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	close(resume)
	w.eventually("all addresses are known again, and the loss was told", func() bool {
		mu.Lock()
		defer mu.Unlock()
		present := 0
		for _, p := range there {
			if p {
				present++
			}
		}
		return lost && present == many/4+1
	})
	stop()
}

func TestWatchLeavesNothing(t *testing.T) {
	if !inside(t) {
		return
	}
	newWorld(t)
	before := runtime.NumGoroutine()
	for range 20 {
		listed := make(chan struct{}, 10)
		stop := startWatch(t, Observer{Listed: func() { listed <- struct{}{} }})
		<-listed
		stop()
	}
	for range 5 {
		f, err := OpenFront("ld0")
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	(&world{t: t}).eventually("all goroutines ended", func() bool { return runtime.NumGoroutine() <= before })
}
