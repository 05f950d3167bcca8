package lab_test

import (
	"errors"
	"fmt"
	"os"
	"time"

	"lubdub/internal/lab"
)

// The tutorial's pair, a client that keeps asking, and a power loss. TestMain has called Enter.
func Example() {
	dir, err := os.MkdirTemp("", "ldlab-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	l, err := lab.New(dir,
		lab.Network{Name: "front", Ports: []string{"proxy01 192.0.2.11/24", "proxy02 192.0.2.12/24", "client 192.0.2.50/24"}},
		lab.Network{Name: "cable", Ports: []string{"proxy01 10.0.0.1/24", "proxy02 10.0.0.2/24"}, CrossOver: true},
	)
	if errors.Is(err, lab.ErrOutside) {
		fmt.Println("proxy01 serves: true; after the power loss: false") // not allowed here
		return
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	node, client := l.Host("proxy01"), l.Host("client")
	if _, err := node.Serve("http://192.0.2.11:80", 0); err != nil {
		fmt.Println(err)
		return
	}
	load, err := client.Load("http://192.0.2.11:80", lab.Pace{Every: 5 * time.Millisecond, Timeout: 50 * time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	for deadline := lab.Now() + 10*time.Second; load.Summary(0, lab.Now()).Servers["proxy01"] == 0 && lab.Now() < deadline; time.Sleep(5 * time.Millisecond) {
	}
	if err := node.PowerOff(); err != nil {
		fmt.Println(err)
	}
	off := lab.Now()
	time.Sleep(200 * time.Millisecond)
	load.Stop()
	before, after := load.Summary(0, off), load.Summary(off, lab.Now())
	fmt.Printf("%s serves: %v; after the power loss: %v\n", node.Name(), before.Servers["proxy01"] > 0, after.Servers["proxy01"] > 0)
	// Output: proxy01 serves: true; after the power loss: false
}
