package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"strings"

	"lubdub/internal/config"
)

// settingsNames are the files of the configuration, in the order in which they are shown.
func settingsNames() []string { return []string{"ha.cf", "haresources", "authkeys", "lubdub.conf"} }

// authkeysName is the one that is never shown.
const authkeysName = "authkeys"

// syncPlan is what differs, and what would be done about it.
type syncPlan struct {
	From, Onto string // the nodes: whose files count, and who gets them
	Settings   []settingsPlan
	Trees      []treePlan
	Notes      []string
	nonce      []byte
}

// settingsPlan is one file of the configuration.
type settingsPlan struct {
	Name   string
	State  string   // "equal", or what differs
	Diff   []string `json:",omitempty"`
	Kept   []string `json:",omitempty"` // lines that stay there, for they are of that node alone
	Left   []string `json:",omitempty"` // lines that are not brought there
	Forced bool     `json:",omitempty"` // the links there would be replaced

	changes bool
	text    []byte
}

// treePlan is one watched file or tree.
type treePlan struct {
	Path    string
	Names   int
	Differs []nameDiffers `json:",omitempty"`
	Trouble []string      `json:",omitempty"`
	Wrong   string        `json:",omitempty"` // why it cannot be compared

	watch config.Watch
	diffs []config.Difference
	from  listing
}

type nameDiffers struct{ Name, Words string }

func (p *syncPlan) differs() bool {
	return slices.ContainsFunc(p.Settings, func(f settingsPlan) bool { return f.changes }) ||
		slices.ContainsFunc(p.Trees, func(t treePlan) bool { return len(t.diffs) > 0 || t.Wrong != "" })
}

// compare asks both nodes and finds what differs.
func (s *syncing) compare(ctx context.Context) (*syncPlan, error) {
	plan := &syncPlan{nonce: make([]byte, 32)}
	plan.From, plan.Onto = s.names()
	if _, err := io.ReadFull(rand.Reader, plan.nonce); err != nil {
		return nil, err
	}
	mine, theirs, watches, err := s.askBoth(ctx, plan.nonce)
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(theirs.Node, s.peer.node) {
		return nil, fmt.Errorf("the peer command reaches %s, not %s: look at peer-command in lubdub.conf, and at the names of the nodes", visible(theirs.Node), s.peer.node)
	}
	s.fromAnswer, s.ontoAnswer = mine, theirs
	if s.pulls {
		s.fromAnswer, s.ontoAnswer = theirs, mine
	}
	if theirs.Version != release {
		plan.Notes = append(plan.Notes, fmt.Sprintf("%s has lubdub %s, here is %s: it judges the configuration by its own rules", s.peer.node, theirs.Version, release))
	}
	for _, name := range settingsNames() {
		if len(s.only) == 0 || slices.Contains(s.only, name) {
			f, err := compareSettings(plan, name, s.fromAnswer.Settings[name], s.ontoAnswer.Settings[name])
			if err != nil {
				return nil, err
			}
			plan.Settings = append(plan.Settings, f)
		}
	}
	if len(mine.Trees) != len(watches) || len(theirs.Trees) != len(watches) {
		return nil, fmt.Errorf("%s answers about %d trees of %d", s.peer.node, len(theirs.Trees), len(watches))
	}
	for i, w := range watches {
		plan.Trees = append(plan.Trees, compareTree(plan, w, s.fromAnswer.Trees[i], s.ontoAnswer.Trees[i]))
	}
	return plan, nil
}

// askBoth asks both nodes what there is. What is watched is what the node says
// whose files count; only what has another digest on the other node is listed there name by name.
func (s *syncing) askBoth(ctx context.Context, nonce []byte) (mine, theirs syncAnswer, watches []config.Watch, err error) {
	q := syncRequest{Verb: syncList, Nonce: nonce}
	if mine, err = s.self.ask(ctx, q); err != nil {
		return mine, theirs, nil, err
	}
	listed := mine.Watches
	if s.pulls {
		if theirs, err = s.peer.ask(ctx, q); err != nil {
			return mine, theirs, nil, err
		}
		listed = theirs.Watches
	}
	if watches, err = s.chosen(listed); err != nil || s.pulls && len(watches) == 0 {
		return mine, theirs, watches, err
	}
	q.Trees, q.Watches = true, watches
	if mine, err = s.self.ask(ctx, q); err != nil {
		return mine, theirs, watches, err
	}
	q.Known = map[string]string{}
	for _, t := range mine.Trees {
		q.Known[t.Path] = t.Sum
	}
	theirs, err = s.peer.ask(ctx, q)
	return mine, theirs, watches, err
}

// chosen are the watched files and trees that the command line wants.
func (s *syncing) chosen(listed []config.Watch) ([]config.Watch, error) {
	from, _ := s.names()
	var known []string
	for _, w := range listed {
		known = append(known, w.Path)
	}
	for _, name := range s.only {
		if !slices.Contains(known, name) && !slices.Contains(settingsNames(), name) {
			return nil, fmt.Errorf("%s is not listed in lubdub.conf on %s: write 'watchfile %s' or 'watchtree %s' there; what is listed: %s",
				visible(name), from, visible(name), visible(name), strings.Join(append(settingsNames(), known...), ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(listed), func(w config.Watch) bool {
		return len(s.only) > 0 && !slices.Contains(s.only, w.Path)
	}), nil
}

// compareSettings compares one file of the configuration.
func compareSettings(plan *syncPlan, name string, from, onto settingsFile) (settingsPlan, error) {
	f := settingsPlan{Name: name, State: "equal"}
	if !from.There && name != "lubdub.conf" {
		return f, fmt.Errorf("%s has no %s: there is nothing to copy from it", plan.From, name)
	}
	if !from.There && !onto.There {
		f.State = "on neither node"
		return f, nil
	}
	f.text = from.Text
	if name != authkeysName {
		m := config.Merge(name, from.Text, onto.text())
		f.text, f.Kept, f.Left, f.Forced = m.Text, m.Kept, m.Left, m.Forced
		f.Diff = config.Diff(name, onto.Text, m.Text)
	}
	f.judge(plan, from, onto)
	return f, nil
}

// text is nil when there is no file.
func (f settingsFile) text() []byte {
	if !f.There {
		return nil
	}
	return append([]byte{}, f.Text...)
}

// judge says how the file of one node, with the lines that stay, compares with the other's.
func (f *settingsPlan) judge(plan *syncPlan, from, onto settingsFile) {
	secret := f.Name == authkeysName
	switch {
	case !onto.There:
		f.State, f.changes = "only on "+plan.From, true
		return
	case secret && from.Sum != onto.Sum:
		f.State, f.changes = "differs: the nodes do not understand each other with it (what is in it is not shown)", true
	case !secret && !bytes.Equal(f.text, onto.Text):
		f.State, f.changes = "differs", true
	case from.There && (from.Mode != onto.Mode || from.Owner != onto.Owner):
		f.State, f.changes = fmt.Sprintf("differs: %s %04o on %s, %s %04o on %s", from.Owner, from.Mode, plan.From, onto.Owner, onto.Mode, plan.Onto), true
	case len(f.Kept)+len(f.Left) > 0:
		f.State = "equal but for lines of one node"
	}
	if f.changes && from.There && onto.Modified.After(from.Modified) {
		f.State += "; NEWER on " + plan.Onto
	}
}

// compareTree compares one file or tree that is watched.
func compareTree(plan *syncPlan, w config.Watch, from, onto listing) treePlan {
	t := treePlan{Path: w.Path, Names: from.Count, watch: w, from: from}
	for _, side := range []struct {
		node string
		listing
	}{{plan.From, from}, {plan.Onto, onto}} {
		switch {
		case side.Wrong != "":
			t.Wrong = side.Wrong + " (on " + side.node + ")"
		case side.Trouble != "":
			t.Trouble = append(t.Trouble, side.Trouble+" (on "+side.node+")")
		}
	}
	if from.Sum != onto.Sum && t.Wrong == "" {
		t.diffs = config.Compare(from.Entries, onto.Entries)
	}
	if from.Count == 0 && len(t.diffs) > 0 {
		t.Wrong, t.diffs = fmt.Sprintf("%s is not there on %s: nothing is removed on %s for that", w.Path, plan.From, plan.Onto), nil
	}
	for _, d := range t.diffs {
		t.Differs = append(t.Differs, nameDiffers{d.Path, d.Words(plan.From, plan.Onto)})
	}
	return t
}
