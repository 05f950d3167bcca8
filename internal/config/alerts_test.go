package config

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func parsed(t *testing.T, conf string) *Loaded {
	t.Helper()
	files := goodFiles()
	files.LubdubConf = []byte(conf)
	l, problems := Parse(files, machine())
	if l == nil {
		t.Fatalf("%s\n%s", conf, printed(problems))
	}
	return l
}

func TestHooks(t *testing.T) {
	l := parsed(t, `name 192.0.2.100 web
hook before-start web "/usr/local/sbin/there --quick" timeout=5s user=www-data block=yes
hook after-move * /usr/bin/tell=all
`)
	want := []Hook{
		{"hook before-start web (/usr/local/sbin/there)", "before-start", "web", []string{"/usr/local/sbin/there", "--quick"}, "www-data", 5 * time.Second, true},
		{"hook after-move * (/usr/bin/tell=all)", "after-move", "", []string{"/usr/bin/tell=all"}, "", 30 * time.Second, false},
	}
	if diff := cmp.Diff(want, l.Hooks); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAlerts(t *testing.T) {
	l := parsed(t, `mail a@example.org
mail a@example.org b@example.org server=smtp.example.org from=web@example.org user=web password=@/etc/secret level=alarm every=5m ca=/etc/ca.pem
mail a@example.org server=[2001:db8::25]:26 tls=implicit
webhook https://alerts.example.org/T0000?a=b header=Authorization:@/etc/token header=X-Org:@/etc/org timeout=3s level=info every=1s
webhook @/etc/url
`)
	mail := func(m Mail) *Mail { return &m }
	want := []Alert{
		{"change", time.Minute, mail(Mail{"mail to a@example.org", []string{"a@example.org"}, "lubdub@alpha", "localhost:25", "off", "", "", ""}), nil},
		{"alarm", 5 * time.Minute, mail(Mail{"mail to a@example.org, b@example.org", []string{"a@example.org", "b@example.org"}, "web@example.org", "smtp.example.org:587", "starttls", "web", "/etc/secret", "/etc/ca.pem"}), nil},
		{"change", time.Minute, mail(Mail{"mail to a@example.org", []string{"a@example.org"}, "lubdub@alpha", "[2001:db8::25]:26", "implicit", "", "", ""}), nil},
		{"info", time.Second, nil, &Webhook{"webhook https://alerts.example.org", "https://alerts.example.org/T0000?a=b", []string{"Authorization:/etc/token", "X-Org:/etc/org"}, "", 3 * time.Second}},
		{"change", 10 * time.Second, nil, &Webhook{"webhook @/etc/url", "@/etc/url", nil, "", 10 * time.Second}},
	}
	if diff := cmp.Diff(want, l.Alerts); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Both nodes must tell the same people; what may be a secret is not in the digest, for that would help to guess it.
func TestAlertDigest(t *testing.T) {
	sumOf := func(conf string) string {
		for _, d := range parsed(t, conf).Config.Digests {
			if d.File == "lubdub.conf" {
				return d.Sum
			}
		}
		t.Fatal("no digest")
		return ""
	}
	const line = "webhook https://alerts.example.org/one level=alarm\n"
	for name, c := range map[string]struct {
		other string
		same  bool
	}{
		"another place":      {"webhook https://alerts.example.org/two level=alarm\n", true},
		"another server":     {"webhook https://alarms.example.org/one level=alarm\n", false},
		"another level":      {"webhook https://alerts.example.org/one\n", false},
		"what is usual":      {"webhook https://alerts.example.org/one level=alarm every=10s timeout=10s\n", true},
		"another time":       {"webhook https://alerts.example.org/one level=alarm every=11s\n", false},
		"the name in it too": {"webhook https://alerts.example.org/one level=alarm header=X:@/etc/x\n", false},
	} {
		if got := sumOf(line) == sumOf(c.other); got != c.same {
			t.Errorf("%s: same is %v, want %v", name, got, c.same)
		}
	}
	if sumOf("hook after-stop * /usr/bin/true\n") != sumOf("hook after-stop * /usr/bin/true block=no timeout=30s\n") {
		t.Error("a hook with its defaults written differs")
	}
}

func TestAlertLimits(t *testing.T) {
	for line, want := range map[string]string{
		"hook after-stop * /usr/bin/true\n":     "more than 32 hooks",
		"webhook https://alerts.example.org/\n": "more than 8 lines of mail and webhook",
	} {
		files := goodFiles()
		files.LubdubConf = []byte(strings.Repeat(line, maxHooks+1))
		if l, problems := Parse(files, machine()); l != nil || !strings.Contains(printed(problems), want) {
			t.Errorf("want %s:\n%s", want, printed(problems))
		}
	}
}

// The examples of the page are good, each block by itself.
func TestHooksPage(t *testing.T) {
	text, err := os.ReadFile("../../docs/hooks.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```lubdub.conf\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 3 {
		t.Fatalf("%d examples, want 3", len(blocks))
	}
	for _, b := range blocks {
		files := goodFiles()
		files.LubdubConf = []byte("name 192.0.2.100 web\n" + b[1])
		if l, problems := Parse(files, machine()); l == nil || len(problems) > 0 {
			t.Errorf("%s\n%s", b[1], printed(problems))
		}
	}
}
