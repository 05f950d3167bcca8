package config

import (
	"strings"
	"testing"
	"time"
)

// Every directive of Heartbeat 3.0.6: a value that it takes, one that it
// refuses (empty: it takes any), and whether it has an effect here.
func TestEveryDirective(t *testing.T) {
	tests := []struct {
		line, wrong string
		idle        bool
	}{
		{"cluster mine", "cluster a/b", false},
		{"keepalive 500ms", "keepalive 0", false},
		{"deadtime 7.5", "deadtime 2x", false},
		{"warntime 1500000us", "warntime 0", false},
		{"initdead 40", "initdead abc", false},
		{"deadping 8", "deadping 1", true}, // there is no ping node
		{"udpport 1694", "udpport 0", false},
		{"bcast eth0", "bcast eth0/1", false},
		{"ucast eth0 192.0.2.12", "ucast eth0", false},
		{"ucast6 eth0 fe80::2%eth0", "ucast6 eth0 192.0.2.12", false},
		{"mcast eth0 239.0.0.43 694 1 0", "mcast eth0 239.0.0.43 694 5 0", false},
		{"mcast6 eth0 ff02::43 694 1 0", "mcast6 eth0 239.0.0.43 694 1 0", false},
		{"serial /dev/ttyS0", "serial ttyS0", true},
		{"baud 9600", "baud 1234", true},
		{"ping 192.0.2.1", "ping 192.0.2.256", false},
		{"ping6 fe80::9%eth0", "ping6 fe80::9", false},
		{"ping_group routers 192.0.2.1 192.0.2.2", "ping_group routers", false},
		{"hopfudge 2", "hopfudge 256", true},
		{"stonith meatware /etc/x", "stonith meatware x", false},
		{"stonith_host * meatware beta", "stonith_host * meatware a", false},
		{"watchdog /dev/watchdog", "watchdog dog", false},
		{"respawn root /bin/true", "respawn root true", true},
		{"failfast root /bin/true", "failfast root", true},
		{"apiauth ping uid=root,a gid=b", "apiauth ping", true},
		{"logfile /var/log/ha", "", false},
		{"debugfile /var/log/hadebug", "", false},
		{"logfacility local7", "logfacility wibble", false},
		{"use_logd yes", "use_logd perhaps", true},
		{"conn_logd_time 30", "conn_logd_time 0", true},
		{"syslogmsgfmt n", "syslogmsgfmt x", true},
		{"debug 255", "debug 256", false},
		{"msgfmt netstring", "msgfmt xml", true},
		{"compression bz2", "compression lzma", true},
		{"compression_threshold 30", "compression_threshold 0", true},
		{"traditional_compression yes", "traditional_compression x", true},
		{"max_rexmit_delay 100", "max_rexmit_delay 0", true},
		{"hbgenmethod time", "hbgenmethod dice", true},
		{"uuidfrom nodename", "uuidfrom dice", true},
		{"realtime off", "realtime x", true},
		{"rtprio 50", "rtprio 1000", true},
		{"memreserve 100", "memreserve 0", true},
		{"autojoin none", "autojoin any", false},
		{"crm off", "crm yes", false},
		{"pacemaker 0", "pacemaker respawn", false},
		{"quorum_server q", "", true},
		{"coredumps on", "coredumps x", true},
		{"coreroot /var/cores", "", true},
		{"use_apphbd no", "use_apphbd x", true},
		{"log_badpack no", "log_badpack x", true},
		{"normalpoll yes", "normalpoll x", true},
		{"env A=b", "env A", false},
		{"crm_daemon_dir /x", "", true},
		{"crmd_spawns_pengine yes", "crmd_spawns_pengine x", true},
		{"record_config_changes on", "record_config_changes x", true},
		{"record_pengine_inputs on", "record_pengine_inputs x", true},
		{"enable_config_writes on", "enable_config_writes x", true},
	}
	tested := map[string]bool{"node": true, "udp": true, "auto_failback": true, "nice_failback": true} // in other tests
	for _, test := range tests {
		name, _, _ := strings.Cut(test.line, " ")
		tested[name] = true
		t.Run(name, func(t *testing.T) {
			base := "node alpha beta\nbcast eth1\nmcast eth0 239.0.0.1 694 1 0\nauto_failback off\n"
			opts := machine()
			opts.Interfaces = nil
			files := goodFiles()
			files.HaCF = []byte(base + test.line + "\n")
			l, problems := Parse(files, opts)
			if l == nil {
				t.Fatalf("%s is refused:\n%s", test.line, printed(problems))
			}
			idle := len(problems) > 0 && problems[0].Severity == Notice && strings.Contains(problems[0].Words, "has no effect")
			if idle != test.idle {
				t.Errorf("%s: without effect %v, want %v: %v", test.line, idle, test.idle, problems)
			}
			if test.wrong == "" {
				return
			}
			files.HaCF = []byte(base + test.wrong + "\n")
			if l, problems := Parse(files, opts); l != nil || problems[len(problems)-1].Line != 5 {
				t.Errorf("%s is not refused on its line: %v", test.wrong, problems)
			}
		})
	}
	for _, d := range directives() {
		if !tested[d.name] {
			t.Errorf("the directive %s is not tested", d.name)
		}
	}
}

func TestAutoFailback(t *testing.T) {
	for text, want := range map[string]bool{"on": true, "off": false, "yes": true, "no": false, "N": false, "1": true, "legacy": true} {
		files := goodFiles()
		files.HaCF = []byte("node alpha beta\nbcast eth0 eth1\nauto_failback " + text + "\n")
		l, problems := Parse(files, machine())
		if l == nil || l.Config.AutoFailback != want {
			t.Errorf("auto_failback %s: %v, want %v", text, problems, want)
		}
		if notices := len(problems); notices != 0 != (text == "legacy") {
			t.Errorf("auto_failback %s: %d problems", text, notices)
		}
	}
}

func TestTimes(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"2": 2 * time.Second, "0.5": 500 * time.Millisecond, ".25": 250 * time.Millisecond, "2.": 2 * time.Second, "500ms": 500 * time.Millisecond, "500MS": 500 * time.Millisecond,
		"1500us": 2 * time.Millisecond, "400us": 0, "2.0004": 2 * time.Second, "0": 0, "2147483.647": maxTime,
	} {
		if got, ok := parseTime(text); !ok || got != want {
			t.Errorf("%q is %v, %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", ".", "ms", "2x", "abc", "30s", "-1", "+1", "1e3", "1.2.3", "1 ms", "2147484", "99999999999999999999", "0x1p3", "inf", "NaN"} {
		if got, ok := parseTime(text); ok {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
}

func TestInitDead(t *testing.T) {
	for dead, want := range map[string]time.Duration{"2": 12 * time.Second, "5.999": 12 * time.Second, "6": 12 * time.Second, "8": 16 * time.Second,
		"10": 20 * time.Second, "10.001": 10001 * time.Millisecond, "30": 30 * time.Second} {
		files := goodFiles()
		files.HaCF = []byte("node alpha beta\nbcast eth0 eth1\nauto_failback off\nkeepalive 200ms\ndeadtime " + dead + "\n")
		l, problems := Parse(files, machine())
		if l == nil || l.Config.InitDead != want || l.Config.WarnTime != l.Config.DeadTime/2 {
			t.Errorf("deadtime %s: %+v, want initdead %v: %v", dead, l, want, problems)
		}
	}
}

func TestLinkNames(t *testing.T) {
	files := goodFiles()
	files.HaCF = []byte("node alpha beta\nauto_failback off\nbcast eth0\nucast eth0 192.0.2.12\nucast eth0 192.0.2.11\nucast eth0 192.0.2.13\nbcast eth1\nmcast eth0 239.0.0.1 700 1 1\n")
	l, problems := Parse(files, machine())
	if l == nil {
		t.Fatal(printed(problems))
	}
	want := "eth0 eth0/ucast eth0/ucast/192.0.2.13 eth1 eth0/mcast"
	if got := strings.Join(l.Config.Links, " "); got != want {
		t.Errorf("links %s, want %s: own address left out", got, want)
	}
	if m := l.Links[4]; m.Port != 700 || m.TTL != 1 || !m.Loop || m.Address != "239.0.0.1" {
		t.Errorf("mcast is %+v", m)
	}
}

func TestNearest(t *testing.T) {
	known := []string{"keepalive", "deadtime", "node", "bcast", "mcast"}
	for text, want := range map[string]string{"keepaliv": "keepalive", "KEEPALIVE": "keepalive", "daedtime": "deadtime", "ndoe": "node", "bcats": "bcast",
		"banana": "", "": "", strings.Repeat("k", 1000): ""} {
		if got := nearest(text, known); got != want {
			t.Errorf("nearest to %q is %q, want %q", text, got, want)
		}
	}
}
