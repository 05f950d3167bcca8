package main

import (
	"strings"
	"testing"

	"lubdub/internal/api"
	"lubdub/internal/cluster"
)

// edited: the files of a calm node were changed; the other node's digests are what its peer-command prints.
func edited() scene {
	s := calm()
	after := s.status
	after.Incarnation++
	s.after, s.moreEvents = &after, []api.Event{
		{ID: id(6), Time: at(), Level: cluster.Info, Kind: "reload", Node: "alpha", Words: "alpha takes in the new configuration by the operator's order"},
		{ID: eventID(life+1, 1), Time: at(), Level: cluster.Info, Kind: "reload", Node: "alpha", Words: "alpha has the new configuration"},
	}
	s.answers[cluster.Reloading] = api.Answer{OK: true, Words: "nothing speaks against it", Plan: &api.Plan{
		Steps: []api.Step{{What: "changed", Words: "keepalive: 500ms, and was 250ms"},
			{What: "restarted", Group: "web", Resource: "apache", Words: "its arguments changed"},
			{What: "added", Group: "web", Resource: "mail", Words: "it is started where the group runs, and these words go on so long that they need a second line"}},
		Digests: []cluster.Digest{{File: "ha.cf", Sum: "aa"}, {File: "haresources", Sum: "bb"}},
		Differs: []string{"haresources"}, PeerCommand: []string{"sh", "peer"}, Sum: "1234",
	}}
	return s
}

// misspelt: the files have an error.
func misspelt() scene {
	s := calm()
	s.answers[cluster.Reloading] = api.Answer{Words: "refused: the files have errors, and nothing is changed; see: lubdub check",
		Plan: &api.Plan{Errors: []string{"/etc/ha.d/ha.cf:2:10: \"two\" is not a time"}}}
	return s
}

// A reload is done when all that runs here runs again; what does not come back is said.
func TestUnfinished(t *testing.T) {
	status := func(states string) api.Status {
		var s api.Status
		for word := range strings.FieldsSeq(states) {
			name, state, _ := strings.Cut(word, "=")
			if name == "peer" {
				s.Peer.Name, s.Peer.Membership = "beta", state
				continue
			}
			s.Groups = append(s.Groups, cluster.GroupStatus{Name: name, State: state})
		}
		return s
	}
	tests := []struct {
		before, now, held string
		lost              bool
	}{
		{"web=running db=stopped", "web=running db=stopped", "", false},
		{"web=running", "web=starting", "web is starting", false},
		{"web=running", "web=mute", "web is mute", false},
		{"web=mute", "web=mute", "", false},
		{"web=running", "web=running new=starting", "new is starting", false},
		{"web=running", "web=stopped", "web does not run here any more; see: lubdub why web", true},
		{"web=running old=running", "web=running", "", false},
		{"web=running", "web=running new=stopped", "new runs nowhere yet", false},
		{"web=running peer=up", "web=running peer=unseen", "beta has not heard the new life yet", false},
		{"web=running peer=up", "web=running peer=up", "", false},
		{"web=running", "web=blocked", "web is blocked; see: lubdub why web", true},
	}
	for _, test := range tests {
		if held, lost := unfinished(status(test.before), status(test.now)); held != test.held || lost != test.lost {
			t.Errorf("%s -> %s: got %q, %v", test.before, test.now, held, lost)
		}
	}
}
