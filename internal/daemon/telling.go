package daemon

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"lubdub/internal/api"
	"lubdub/internal/cluster"
)

// telling is what one mail or post says. Its JSON is what a webhook gets.
type telling struct {
	Text    string `json:"text"` // the same for people, under the name that chat programs look for
	Node    string
	Cluster string
	Level   cluster.Level
	Test    bool `json:",omitempty"` // lubdub alert test sent it: nothing happened
	Events  []api.Event
	More    int `json:",omitempty"` // events that are left out
}

// add adds an event. When there are too many those in the middle are only counted.
func (t *telling) add(e api.Event) {
	if len(t.Events) == keptAlerts {
		t.Events = slices.Delete(t.Events, keptFirst, keptFirst+1)
		t.More++
	}
	t.Events = append(t.Events, e)
}

// after is what there is to say after a telling that was refused for good: that one again while there is nothing newer,
// and then only how much it was. The same letter would be refused for ever.
func (t telling) after(refused telling) telling {
	if len(t.Events) == 0 {
		refused.More += t.More
		return refused
	}
	t.More += refused.count()
	return t
}

// count is how many events it tells or counts.
func (t telling) count() int { return len(t.Events) + t.More }

// worst is the first event of the highest level.
func (t telling) worst() api.Event {
	var worst api.Event
	for _, e := range t.Events {
		if worst.Level == "" || levelPriority(e.Level) < levelPriority(worst.Level) {
			worst = e
		}
	}
	return worst
}

// subject is one line that says most.
func (t telling) subject() string {
	text := fmt.Sprintf("[lubdub %s] %s", t.Node, t.worst().Words)
	if others := len(t.Events) - 1 + t.More; others > 0 {
		text += fmt.Sprintf(" (and %d more)", others)
	}
	const most = 180
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}

// letter is all that there is to say.
func (t telling) letter() string {
	var b strings.Builder
	for i, e := range t.Events {
		if i == keptFirst && t.More > 0 {
			fmt.Fprintf(&b, "\n(%d more events between these; see there: lubdub events)\n\n", t.More)
		}
		fmt.Fprintf(&b, "%s %s: %s\n", e.Time.Format("2006-01-02 15:04:05.000"), levelWord(e.Level), e.Words)
		for _, l := range e.Lines {
			fmt.Fprintf(&b, "    | %s\n", l)
		}
	}
	if t.More > 0 && len(t.Events) <= keptFirst {
		fmt.Fprintf(&b, "(and %d more events; see there: lubdub events)\n", t.More)
	}
	fmt.Fprintf(&b, "\n-- \nlubdub on %s. How things stand now: lubdub status; and why: lubdub why\n", t.Node)
	return b.String()
}

// json is what a webhook gets.
func (t telling) json() []byte {
	t.Level, t.Text = t.worst().Level, t.subject()
	text, err := json.Marshal(t)
	if err != nil {
		panic(fmt.Sprintf("daemon: events have no JSON: %v", err)) // strings, numbers and times always have
	}
	return append(text, '\n')
}
