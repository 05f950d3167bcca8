package cluster

// Event is one record of what happened and why. The same record goes to the
// log, the API and the event file.
type Event struct {
	ID       uint64 // counts from 1 in each life of the daemon
	Cause    uint64 // the event that led to this one; 0: it came from outside
	At       Time
	Level    Level
	Kind     string // a word for programs: "membership", "link", "group", "resource", ...
	Group    string
	Resource string
	Node     string
	Words    string   // the sentence for people
	Lines    []string // what an agent printed
	Rule     string   // the rule of docs/protocol.md that decided, such as O4
}

// Level says how urgent an event is.
type Level string

// The levels: for the record, worth a look, act now.
const (
	Info    Level = "info"
	Warning Level = "warning"
	Alarm   Level = "alarm"
)
