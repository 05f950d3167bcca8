package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"lubdub/internal/cluster"
)

// The limits of what is said about failures.
const (
	maxFailures = 100              // more in a day nobody waits for
	minWindow   = 10 * time.Second // a restart alone takes some seconds
	dayMinutes  = 24 * 60
)

// The words of the policies for failures.
const (
	wordNever  = "never"
	wordMove   = "move"
	wordStay   = "stay"
	wordBlock  = "block"
	wordIgnore = "ignore"
)

// failureEntries are about what does not stay up, start or stop, and about the way home.
func failureEntries() []entry {
	return []entry{
		{name: "failures", form: "GROUP|RESOURCE limit=N|never within=TIME", fixed: 1, alone: true, apply: (*lubdubConf).failures,
			options: []option{{name: "limit", value: isLimit, initial: strconv.Itoa(cluster.UsualLimit)}, {name: "within", value: isWindow, initial: cluster.UsualWindow.String()}},
			meaning: "So many failures of a resource within this time move its group; until then it is restarted in place. A failure is forgotten when it is older than that. never: it is always restarted in place. Each resource is counted by itself. Pacemaker calls these migration-threshold and failure-timeout, keepalived fall; what has failed by now is cleared with 'lubdub cleanup'.",
			usual:   "limit=3 within=10m", example: "failures web limit=5 within=1h"},
		{name: "on-failure", form: "GROUP|RESOURCE start=move|stay|ignore stop=block|ignore", fixed: 1, alone: true, apply: (*lubdubConf).onFailure,
			options: []option{{name: "start", value: isOneOf(wordMove, wordStay, wordIgnore), initial: wordMove}, {name: "stop", value: isOneOf(wordBlock, wordIgnore), initial: wordBlock}},
			meaning: "What is done when a resource does not start: the group is stopped and the other node tries (move), it is tried again here after a while, and what stands before it stays up (stay), or the group goes on without it (ignore). And when it does not stop: the group is blocked here until you have looked, or until this node is fenced (block), or it counts as stopped (ignore), which is only for what may run on both nodes at once. On a group's line ignore does not mean its addresses. Pacemaker calls these start-failure-is-fatal and on-fail.",
			usual:   "start=move stop=block", example: "on-failure apache start=stay stop=block"},
		{name: "failback", form: "GROUP delay=TIME window=HH:MM-HH:MM", fixed: 1, apply: (*lubdubConf).failback, same: "both nodes decide when the group returns",
			options: []option{{name: "delay", value: isDuration}, {name: "window", value: isDayWindow}},
			meaning: "When a group returns to its preferred node by itself, where auto_failback is on in ha.cf: when that node has been up and able for this long, and only at this time of day, in local time; 22:00-05:00 goes over midnight. 'lubdub move' is not bound by it. keepalived calls these preempt_delay and nopreempt, Pacemaker resource-stickiness with a rule of hours.",
			usual:   "delay of twice the deadtime, at any time of day", example: "failback web delay=5m window=02:00-05:00"},
	}
}

// isLimit accepts a number of failures.
func isLimit(text string) (wrong, remedy string) {
	if text == wordNever {
		return "", ""
	}
	if slices.Contains([]string{"off", "no", "none", "infinity", "inf", "unlimited", "forever"}, strings.ToLower(text)) {
		return "is not known here", "write limit=never"
	}
	if n, err := strconv.Atoi(text); err == nil && n == 0 {
		return "is not a number that fits", "write limit=never, so that failures never move the group, or 1, so that the first one does"
	}
	if wrong, _ := isNumber(1, maxFailures)(text); wrong != "" {
		return wrong, fmt.Sprintf("write never, or a whole number from 1 to %d", maxFailures)
	}
	return "", ""
}

// isWindow accepts the time in which failures count together.
func isWindow(text string) (wrong, remedy string) {
	if text == wordNever || text == "off" {
		return "is not a time", fmt.Sprintf("every failure is forgotten some day: write at most %.0fh", maxSetting.Hours())
	}
	if wrong, remedy := isDuration(text); wrong != "" {
		return wrong, remedy
	}
	if d, err := time.ParseDuration(text); err != nil || d < minWindow {
		return "is too short", fmt.Sprintf("write at least %s: a restart takes its time, and failures would be forgotten before they are counted", minWindow)
	}
	return "", ""
}

// isDayWindow accepts HH:MM-HH:MM.
func isDayWindow(text string) (wrong, remedy string) {
	from, to, ok := dayWindow(text)
	switch {
	case !ok:
		return "is no time of day", "write HH:MM-HH:MM in local time, as 02:00-05:00"
	case from == to && !strings.HasSuffix(text, "-24:00"):
		return "has no length", "write another end, or leave window= out for any time of day"
	}
	return "", ""
}

// dayWindow reads a time of day as minutes since midnight. Its end may be 24:00, which is midnight.
func dayWindow(text string) (from, to int, ok bool) {
	first, last, dash := strings.Cut(text, "-")
	from, good := clock(first)
	to, also := clock(last)
	return from, to % dayMinutes, dash && good && also && from < dayMinutes
}

// clock reads HH:MM.
func clock(text string) (minute int, ok bool) {
	hours, minutes, colon := strings.Cut(text, ":")
	if !colon || len(hours) == 0 || len(hours) > 2 || len(minutes) != 2 || strings.Trim(hours+minutes, "0123456789") != "" {
		return 0, false
	}
	minute = number(hours)*60 + number(minutes)
	return minute, number(minutes) < 60 && minute <= dayMinutes
}

func (c *lubdubConf) failures(st statement) {
	c.again(st)
	for _, r := range c.resources(st.args[0], true) {
		switch text := st.value("limit", ""); text {
		case "":
		case wordNever:
			r.Limit = 0
		default:
			r.Limit = number(text)
		}
		st.duration("within", &r.Window)
		r.counted = st.key
	}
}

func (c *lubdubConf) onFailure(st statement) {
	c.again(st)
	ofGroup := c.groups.called(st.args[0].text) != nil
	start, stop := st.value("start", ""), st.value("stop", "")
	var careless []*resource
	for _, r := range c.resources(st.args[0], true) {
		address := r.Class == classAddress
		if address && !ofGroup && (start == wordIgnore || stop == wordIgnore) {
			c.errorf(st.args[0], "remove 'ignore', or name what runs behind the address",
				"an address cannot be passed over: without it nobody reaches the group, and one that stays is answered for by two nodes")
			return
		}
		if start != "" && !(address && start == wordIgnore) {
			r.OnStart = map[string]cluster.StartPolicy{wordMove: cluster.StartMove, wordStay: cluster.StartStay, wordIgnore: cluster.StartIgnore}[start]
		}
		if stop != "" && !(address && stop == wordIgnore) {
			r.LetGo = stop == wordIgnore
		}
		if stop == wordIgnore && !address {
			careless = append(careless, r)
		}
	}
	c.warnCareless(st, careless)
}

// Types of agents by what it costs when they run on both nodes.
const (
	// harmlessTwice send something, or change what is each node's own.
	harmlessTwice = "MailTo Delay Dummy Stateful SendArp AudibleAlarm WinPopup ClusterMon Pure-FTPd Route IPsrcaddr portblock SysInfo HealthCPU HealthIOWait"
	// costsData own data that only one node may write.
	costsData = "Filesystem drbddisk drbd drbdupper LVM LVM-activate lvmlockd Raid1 mdraid ServeRAID ICP ZFS AoEtarget iSCSILogicalUnit iSCSITarget iscsi scsi2reservation sg_persist " +
		"nfsserver exportfs rpc.statd mysql mysqld mariadb galera pgsql pgagent postgresql oracle oralsnr db2 informix sybaseASE ASEHAagent.sh redis redis-server mongod mongodb " +
		"rabbitmq-server rabbitmq-cluster slapd kamailio vmware VirtualDomain Xen lxc ManageVE WAS WAS6 SAPDatabase SAPInstance eDir88 dovecot cyrus-imap postfix"
)

// warnCareless says what it costs when something counts as stopped and is not.
func (c *lubdubConf) warnCareless(st statement, all []*resource) {
	var data, rest []string
	for _, r := range all {
		kind := strings.TrimSuffix(r.Type, ".service")
		kind, _, _ = strings.Cut(kind, "@")
		switch {
		case r.Warm || slices.Contains(strings.Fields(harmlessTwice), kind):
		case slices.Contains(strings.Fields(costsData), kind):
			data = append(data, r.Name)
		default:
			rest = append(rest, r.Name)
		}
	}
	at := st.option("stop")
	if len(data) > 0 {
		c.warnf(at, "write stop=block; with fencing the other node then takes over all the same",
			"when %s does not stop, the other node starts it beside the one that still runs here: two nodes write the same data, and destroy it", strings.Join(data, ", "))
	}
	if len(rest) > 0 {
		c.warnf(at, "write stop=block, unless it may run on both nodes at once", "when %s does not stop, it may run on both nodes at once", strings.Join(rest, ", "))
	}
}

// plainTime prints a time as one would write it: 6m, not 6m0s.
func plainTime(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if cut, ok := strings.CutSuffix(text, zero); ok {
			text = cut + zero[:1]
		}
	}
	return text
}

// option is the word that sets the option, else the line's key.
func (st statement) option(name string) word {
	for _, w := range st.args {
		if strings.HasPrefix(w.text, name+"=") {
			return w
		}
	}
	return st.key
}

func (c *lubdubConf) failback(st statement) {
	c.again(st)
	w := st.args[0]
	l := c.groups.called(w.text)
	if l == nil {
		c.errorf(w, c.groups.groupMeant(w.text), "there is no group %s", quote(w.text))
		return
	}
	st.duration("delay", &l.failback.Delay)
	if text := st.value("window", ""); text != "" {
		l.failback.From, l.failback.To, _ = dayWindow(text)
	}
	l.failbackAt = st
}

// called is the group that text names; nil: there is none.
func (h *haresources) called(text string) *line {
	for _, l := range h.groups {
		if l.known(text) {
			return l
		}
	}
	return nil
}

// groupMeant says which group was meant instead.
func (h *haresources) groupMeant(text string) string {
	var names []string
	for _, l := range h.groups {
		names = append(names, l.name)
		for _, r := range l.resources {
			if r.Name == text {
				return fmt.Sprintf("%s is a resource; its group is called %s", text, quote(l.name))
			}
		}
	}
	return didYouMean(text, names, "the groups are: "+list(names))
}

// checkFailbacks looks for ways home that have no effect.
func (c *lubdubConf) checkFailbacks(cfg cluster.Config) {
	for _, l := range c.groups.groups {
		st := l.failbackAt
		switch least := 2 * cfg.DeadTime; {
		case st.key.text == "":
		case !cfg.AutoFailback:
			c.warnf(st.key, "write 'auto_failback on' into ha.cf, or remove the line", "failback has no effect: auto_failback is off in ha.cf, so %s stays where it is", quote(l.name))
		case l.failback.Delay > 0 && l.failback.Delay < least:
			c.at(Notice, st.option("delay"), fmt.Sprintf("twice the deadtime is always waited, %s", seconds(least)), "write at least that, or leave delay= out")
		}
	}
}

// checkFailures looks for limits that are never reached: a failure is seen when the resource is asked.
func (c *lubdubConf) checkFailures() {
	said := map[word]bool{}
	for _, l := range c.groups.groups {
		for _, r := range l.resources {
			at := r.counted
			if at.text == "" {
				at = r.asked
			}
			// systemd says by itself that a unit has failed, the kernel that an address has gone.
			if at.text == "" || said[at] || r.Limit == 0 || r.Class == classSystemd || r.Class == classAddress {
				continue
			}
			span := time.Duration(r.Limit-1) * r.Interval
			switch {
			case r.Interval == 0 && r.counted.text != "":
				c.warnf(at, "remove 'interval=off' from its monitor line", "nobody sees %s fail, for it is not monitored", quote(r.Name))
			case span > r.Window:
				c.warnf(at, fmt.Sprintf("ask more often, or write 'failures %s within=%s' or a smaller limit", r.Name, plainTime(min(2*span, maxSetting))),
					"%d failures of %s take %s or more, for it is asked each %s; only those within %s count, so they never move the group", r.Limit, quote(r.Name), plainTime(span), plainTime(r.Interval), plainTime(r.Window))
			default:
				continue
			}
			said[at] = true
		}
	}
}
