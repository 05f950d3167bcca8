package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lubdub/internal/agent"
	"lubdub/internal/api"
	"lubdub/internal/cluster"
	"lubdub/internal/config"
)

// mailbag keeps what was told, and when; broken is why nothing can be told now.
type mailbag struct {
	t      *testing.T
	began  time.Time
	alert  *alert
	alerts *alerts

	mu     sync.Mutex // guards what follows
	broken error
	told   []string
	tries  int
	notes  []string
}

// newMailbag is a mail with the usual times; call it in a bubble.
func newMailbag(t *testing.T) *mailbag {
	w := &mailbag{t: t, began: time.Now()}
	w.alert = newAlert(config.Alert{Level: "info", Every: time.Minute, Mail: &config.Mail{Name: "mail to a@example.org"}}, cluster.Config{Self: "alpha", Cluster: "c"})
	w.alert.send = func(ctx context.Context, x telling) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.tries++
		if w.broken != nil {
			return w.broken
		}
		var words []string
		for _, e := range x.Events {
			words = append(words, e.Words)
		}
		text := fmt.Sprintf("%v %s", time.Since(w.began), strings.Join(words, ","))
		if x.More > 0 {
			text += fmt.Sprintf(" +%d", x.More)
		}
		w.told = append(w.told, text)
		return nil
	}
	w.alerts = &alerts{all: []*alert{w.alert}, closing: make(chan struct{})}
	return w
}

func (w *mailbag) start(ctx context.Context) {
	w.alerts.start(ctx, func(n cluster.Noted) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.notes = append(w.notes, fmt.Sprintf("%v %s %s %s", time.Since(w.began), n.Kind, n.Level, n.Words))
	})
}

func (w *mailbag) happens(words ...string) {
	for _, s := range words {
		w.alerts.tell(api.Event{Kind: "group", Level: cluster.Alarm, Words: s}, false)
	}
	synctest.Wait()
}

// breaks makes every attempt fail, or none.
func (w *mailbag) breaks(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = err
}

// seen is what came so far.
func (w *mailbag) seen() (told, notes []string, tries int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.told), slices.Clone(w.notes), w.tries
}

func (w *mailbag) expect(told ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if diff := cmp.Diff(told, w.told); diff != "" {
		w.t.Errorf("told (-want +got):\n%s", diff)
	}
}

// What belongs together is one mail; what comes before the next may be sent is summed up.
func TestAlertGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newMailbag(t)
		w.start(ctx)
		w.happens("a", "b")
		time.Sleep(9 * time.Second)
		w.happens("c")
		time.Sleep(2 * time.Second)
		w.happens("d")
		time.Sleep(30 * time.Second)
		w.happens("e")
		w.expect("10s a,b,c")
		time.Sleep(time.Hour)
		w.expect("10s a,b,c", "1m10s d,e")
		w.happens("f")
		time.Sleep(time.Minute)
		w.expect("10s a,b,c", "1m10s d,e", "1h0m51s f")
		cancel()
		w.alerts.running.Wait()
	})
}

// A crash loop of an hour, with an alarm each two seconds, is one mail a minute, and none is longer than a page or two.
func TestAlertNoStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newMailbag(t)
		w.start(ctx)
		for i := range 1800 {
			w.happens(fmt.Sprint(i), "x", "x", "x")
			time.Sleep(2 * time.Second)
		}
		told, _, _ := w.seen()
		if n := len(told); n < 55 || n > 61 {
			t.Errorf("%d mails in an hour", n)
		}
		for _, text := range told[1:] {
			if n := strings.Count(text, ","); n != keptAlerts-1 || !strings.HasSuffix(text, " +80") {
				t.Errorf("got %d events: %s", n+1, text)
			}
		}
		cancel()
		w.alerts.running.Wait()
	})
}

// What cannot be told is tried again, ever more seldom, and nothing is lost but the middle of too much; that it does not
// work is an event, once, and so is that it works again.
func TestAlertTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newMailbag(t)
		w.breaks(errors.New("no route to host"))
		w.start(ctx)
		w.happens("a")
		time.Sleep(10*time.Second + 2*time.Second + 4*time.Second + time.Millisecond)
		if _, notes, tries := w.seen(); tries != 3 || len(notes) != 1 {
			t.Errorf("%d tries, notes %q", tries, notes)
		}
		time.Sleep(2 * time.Hour)
		w.happens("b")
		time.Sleep(lastRetry)
		if _, _, tries := w.seen(); tries > 40 {
			t.Errorf("%d tries in two hours", tries)
		}
		w.breaks(nil)
		time.Sleep(lastRetry + time.Millisecond)
		told, notes, _ := w.seen()
		if len(told) != 1 || !strings.HasSuffix(told[0], " a,b") {
			t.Errorf("told %q", told)
		}
		want := []string{"16s alert warning mail to a@example.org does not work: no route to host; it is tried again; see: lubdub alert test", "mail to a@example.org works again"}
		if len(notes) != 2 || notes[0] != want[0] || !strings.HasSuffix(notes[1], want[1]) {
			t.Errorf("notes %q, want %q", notes, want)
		}
		cancel()
		w.alerts.running.Wait()
	})
}

// What a server refuses for good is tried again while there is nothing newer, and then only counted: the newer ones are told.
func TestAlertRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newMailbag(t)
		send := w.alert.send
		w.alert.send = func(ctx context.Context, x telling) error {
			if strings.Contains(x.letter(), "poison") {
				return &agent.Refused{Err: errors.New("554 refused")}
			}
			return send(ctx, x)
		}
		w.start(ctx)
		w.happens("poison", "a")
		time.Sleep(time.Hour)
		w.happens("b")
		time.Sleep(lastRetry + gatherMail)
		told, _, _ := w.seen()
		if len(told) != 1 || !strings.HasSuffix(told[0], " b +2") {
			t.Errorf("told %q", told)
		}
		w.happens("c")
		time.Sleep(time.Hour)
		if told, _, _ = w.seen(); len(told) != 2 || !strings.HasSuffix(told[1], " c") {
			t.Errorf("told %q", told)
		}
		cancel()
		w.alerts.running.Wait()
	})
}

// Which answers to a post are for good.
func TestAlertRefusedPost(t *testing.T) {
	for status, want := range map[int]bool{200: false, 400: true, 404: true, 408: false, 429: false, 500: false} {
		s := httptest.NewServer(http.HandlerFunc(func(to http.ResponseWriter, _ *http.Request) { to.WriteHeader(status) }))
		a := newAlert(config.Alert{Webhook: &config.Webhook{Name: "webhook", URL: s.URL, Timeout: 20 * time.Second}}, cluster.Config{})
		err := a.send(t.Context(), telling{Events: []api.Event{{Words: "a"}}})
		if got := errors.As(err, new(*agent.Refused)); got != want || (err == nil) != (status == 200) {
			t.Errorf("status %d: %v, for good: %v", status, err, got)
		}
		s.Close()
	}
}

// That a mail does not reach everybody is said once, and it is not sent again.
func TestAlertPartly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newMailbag(t)
		w.breaks(&agent.Refused{Partly: true, Err: errors.New("to b@example.org: 550 unknown")})
		w.start(ctx)
		for range 3 {
			w.happens("a")
			time.Sleep(time.Hour)
		}
		_, notes, tries := w.seen()
		if want := "10s alert warning mail to a@example.org does not reach everybody: to b@example.org: 550 unknown"; tries != 3 || len(notes) != 1 || notes[0] != want {
			t.Errorf("%d tries, notes %q", tries, notes)
		}
		cancel()
		w.alerts.running.Wait()
	})
}

// At the daemon's end what is left is told at once, and nobody waits for a server that does not answer.
func TestAlertLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newMailbag(t)
		w.start(t.Context())
		w.happens("a")
		w.alerts.finish()
		w.expect("0s a")

		w = newMailbag(t)
		ctx, cancel := context.WithCancel(t.Context())
		w.alert.send = func(ctx context.Context, _ telling) error { <-ctx.Done(); return errors.New("it did not answer") }
		w.start(ctx)
		w.happens("a")
		time.Sleep(11 * time.Second) // it is being sent
		w.alerts.finish()
		if took := time.Since(w.began); took > 11*time.Second+lastAlert {
			t.Errorf("the end took %v", took)
		}
		cancel()
		w.alerts.running.Wait()
	})
}

// Events that find no place are counted.
func TestAlertOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newMailbag(t)
		for i := range alertQueue + 5 {
			w.alerts.tell(api.Event{Level: cluster.Alarm, Words: fmt.Sprint(i)}, false)
		}
		w.start(ctx)
		time.Sleep(11 * time.Second)
		told, _, _ := w.seen()
		if want := fmt.Sprintf(" +%d", alertQueue+5-keptAlerts); len(told) != 1 || !strings.HasSuffix(told[0], want) || !strings.HasPrefix(told[0], "10s 0,1,2,") {
			t.Errorf("told %q, want ...%s", told, want)
		}
		cancel()
		w.alerts.running.Wait()
	})
}

// Each level tells what it says.
func TestAlertLevels(t *testing.T) {
	events := map[string]struct {
		e       api.Event
		changed bool
	}{
		"alarm":   {api.Event{Kind: "link", Level: cluster.Alarm}, false},
		"served":  {api.Event{Kind: "group", Level: cluster.Info}, true},
		"up":      {api.Event{Kind: "membership", Level: cluster.Info}, false},
		"untaken": {api.Event{Kind: "group", Level: cluster.Warning}, false},
		"late":    {api.Event{Kind: "late", Level: cluster.Warning}, false},
		"starts":  {api.Event{Kind: "group", Level: cluster.Info}, false},
		"alert":   {api.Event{Kind: kindAlert, Level: cluster.Warning}, false},
	}
	for level, want := range map[string]string{
		"alarm": "alarm", "change": "alarm served untaken up", "warning": "alarm late served untaken up", "info": "alarm late served starts untaken up",
	} {
		var got []string
		for name, c := range events {
			if (&alert{level: level}).wants(c.e, c.changed) {
				got = append(got, name)
			}
		}
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %q, want %q", level, got, want)
		}
	}
}

func TestTelling(t *testing.T) {
	at := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	x := telling{Node: "beta", Cluster: "linux-ha"}
	x.add(api.Event{ID: "7.1", Time: at, Level: cluster.Info, Kind: "ping", Words: "ping node gw answers beta"})
	x.add(api.Event{ID: "7.2", Time: at, Level: cluster.Alarm, Kind: "membership", Node: "alpha", Words: "alpha is down", Lines: []string{"so it is"}})
	x.add(api.Event{ID: "7.3", Time: at.Add(time.Second), Level: cluster.Warning, Kind: "group", Words: "web is served by beta"})
	if got, want := x.subject(), "[lubdub beta] alpha is down (and 2 more)"; got != want {
		t.Errorf("subject %q, want %q", got, want)
	}
	const letter = `2026-03-01 03:00:00.000 info: ping node gw answers beta
2026-03-01 03:00:00.000 CRIT: alpha is down
    | so it is
2026-03-01 03:00:01.000 WARN: web is served by beta

-- 
lubdub on beta. How things stand now: lubdub status; and why: lubdub why
`
	if diff := cmp.Diff(letter, x.letter()); diff != "" {
		t.Errorf("letter (-want +got):\n%s", diff)
	}
	const body = `{"text":"[lubdub beta] alpha is down (and 2 more)","Node":"beta","Cluster":"linux-ha","Level":"alarm","Events":[` +
		`{"ID":"7.1","Time":"2026-03-01T03:00:00Z","Level":"info","Kind":"ping","Node":"","Words":"ping node gw answers beta"},` +
		`{"ID":"7.2","Time":"2026-03-01T03:00:00Z","Level":"alarm","Kind":"membership","Node":"alpha","Words":"alpha is down","Lines":["so it is"]},` +
		`{"ID":"7.3","Time":"2026-03-01T03:00:01Z","Level":"warning","Kind":"group","Node":"","Words":"web is served by beta"}]}` + "\n"
	if diff := cmp.Diff(body, string(x.json())); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
	for range keptAlerts {
		x.add(api.Event{Time: at, Level: cluster.Warning, Words: strings.Repeat("\u00fc", 200)})
	}
	if !strings.Contains(x.letter(), "(3 more events between these") || x.More != 3 || len(x.subject()) > 200 {
		t.Errorf("%d left out, subject %q", x.More, x.subject())
	}
}

// A real post: the queue, the gathering, and the server at the end.
func TestAlertPosts(t *testing.T) {
	bodies := make(chan []byte, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		bodies <- b
	}))
	defer s.Close()
	loaded := &config.Loaded{Config: cluster.Config{Self: "alpha", Cluster: "c"}, Alerts: []config.Alert{{Level: "alarm", Every: time.Millisecond, Webhook: &config.Webhook{Name: "webhook", URL: s.URL, Timeout: 20 * time.Second}}}}
	a := newAlerts(loaded)
	a.start(t.Context(), func(n cluster.Noted) { t.Errorf("noted %+v", n) })
	a.tell(api.Event{Level: cluster.Info, Words: "not this"}, false)
	a.tell(api.Event{Level: cluster.Alarm, Words: "this"}, false)
	var got telling
	select {
	case b := <-bodies:
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%v: %s", err, b)
		}
	case <-time.After(time.Minute):
		t.Fatal("nothing came")
	}
	if len(got.Events) != 1 || got.Events[0].Words != "this" || got.Node != "alpha" || got.Text != "[lubdub alpha] this" {
		t.Errorf("got %+v", got)
	}
	a.finish()
}
