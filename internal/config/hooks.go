package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Hook is a command that lubdub.conf wants run around the start, stop or move of a group.
type Hook struct {
	Name    string // as messages call it
	When    string // before-start, after-start, before-stop, after-stop, before-move or after-move
	Group   string // empty: every group
	Command []string
	User    string // whom it runs as; empty: root
	Timeout time.Duration
	Block   bool // the start or stop waits for it
}

const (
	wordHook = "hook"
	// maxHooks bounds what one event may queue: each runs after the other.
	maxHooks = 32
	// usualHookTime is what a command may take that only tells somebody.
	usualHookTime = 30 * time.Second
)

// hookTimes are when a hook can run.
func hookTimes() []string {
	return []string{"before-start", "after-start", "before-stop", "after-stop", "before-move", "after-move"}
}

// hookEntries are the words of lubdub.conf about commands that are told what happens.
func hookEntries() []entry {
	return []entry{
		{name: wordHook, form: `WHEN GROUP|* "COMMAND" timeout=TIME user=NAME block=yes|no`, fixed: 3, bare: true, alone: true, apply: (*lubdubConf).hook,
			options: []option{{name: "timeout", value: isDuration, initial: "30s"}, {name: "user", value: isUser, initial: "root"}, {name: "block", value: isOneOf("yes", "no"), initial: "no"}},
			meaning: "A command to run on this node around the start, stop or move of a group (* is each group). WHEN is " + strings.Join(hookTimes(), ", ") + ". COMMAND is a full path and its arguments, parted by blanks; no shell reads it. It is told what happens by variables: see docs/hooks.md. Hooks run one after the other and hold nothing up, unless before-start or before-stop says block=yes: then the group's first resource is started or stopped when the hook has ended, a start fails when the hook fails, and a stop goes on.",
			usual:   "no hooks; timeout=30s user=root block=no", example: `hook after-start web "/usr/local/sbin/warm-cache --quick"
hook before-start * /usr/local/sbin/storage-is-there timeout=10s block=yes`},
	}
}

// hook takes a line.
func (c *lubdubConf) hook(st statement) {
	when, group, command := st.args[0], st.args[1], st.args[2]
	h := Hook{When: when.text, Command: strings.Fields(command.text), User: st.value("user", ""), Timeout: usualHookTime, Block: st.value("block", "no") == "yes"}
	st.duration("timeout", &h.Timeout)
	if wrong, remedy := isOneOf(hookTimes()...)(when.text); wrong != "" {
		c.errorf(when, didYouMean(when.text, hookTimes(), remedy), "%s %s", quote(when.text), wrong)
		return
	}
	if wrong, remedy := isCommand(command.text); wrong != "" {
		c.errorf(command, remedy, "%s %s", quote(command.text), wrong)
		return
	}
	if h.Block && h.When != "before-start" && h.When != "before-stop" {
		c.errorf(when, "write block=yes with before-start or before-stop", "a hook %s holds nothing up: it cannot block", h.When)
		return
	}
	var ok bool
	if h.Group, ok = c.groupCalled(group); !ok {
		return
	}
	if len(c.hooks) == maxHooks {
		c.errorf(st.key, "let one command do what several do", "more than %d hooks", maxHooks)
		return
	}
	h.Name = fmt.Sprintf("hook %s %s (%s)", h.When, group.text, h.Command[0])
	c.hooks = append(c.hooks, h)
}

// groupCalled finds the name of a group; empty for *. Nothing found is reported.
func (c *lubdubConf) groupCalled(w word) (name string, ok bool) {
	if w.text == "*" {
		return "", true
	}
	var names []string
	for _, l := range c.groups.groups {
		if l.known(w.text) {
			return l.name, true
		}
		names = append(names, l.name)
	}
	if c.groups.usable() {
		c.errorf(w, didYouMean(w.text, names, "write * for every group, or one of: "+list(slices.Compact(names))), "there is no group %s", quote(w.text))
	}
	return "", false
}
