package proxy

import "time"

// Status is what a proxy says of itself.
type Status struct {
	Name       string    `json:"name"`
	Supervisor int       `json:"supervisor"`          // process id
	Worker     int       `json:"worker"`              // process id; 0: none
	Accepting  bool      `json:"accepting"`           // the worker answered just now
	Since      time.Time `json:"since"`               // start of this worker
	Restarts   int       `json:"restarts"`            // workers that died unasked
	LastExit   string    `json:"last_exit,omitempty"` // how the last of them ended
	Listen     []string  `json:"listen"`
	Served     uint64    `json:"served"` // requests answered by a back end, since the supervisor's start
	Failed     uint64    `json:"failed"` // requests we had to refuse, or whose answer was cut
	LogLost    uint64    `json:"log_lost"`
	BackEnds   []BackEnd `json:"back_ends"`
}

// BackEnd is the state of one back end as the worker sees it.
type BackEnd struct {
	URL     string    `json:"url"`
	Up      bool      `json:"up"`
	Reason  string    `json:"reason,omitempty"` // why it is down
	Since   time.Time `json:"since"`
	Running int       `json:"running"` // requests on it now
}

// report is what a worker says of itself. A dead worker's counters since its last report, up to a second, are lost.
type report struct {
	Served   uint64    `json:"served"`
	Failed   uint64    `json:"failed"`
	LogLost  uint64    `json:"log_lost"`
	BackEnds []BackEnd `json:"back_ends,omitempty"`
}

func (s *Status) count(r report) {
	s.Served += r.Served
	s.Failed += r.Failed
	s.LogLost += r.LogLost
}
