package proxy

import (
	"log"
	"os"
	"sync/atomic"
	"time"
)

// quietLog returns a log for what net/http has to say of broken clients: one line a second at most, for anyone on the
// network can cause one.
func quietLog() *log.Logger {
	return log.New(&oneASecond{}, "lubdub proxy: ", 0)
}

type oneASecond struct{ last atomic.Int64 }

// Write passes the first line of each second on to standard error.
func (o *oneASecond) Write(line []byte) (int, error) {
	now := time.Now().Unix()
	if o.last.Swap(now) == now {
		return len(line), nil
	}
	return os.Stderr.Write(line)
}
