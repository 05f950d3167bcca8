package proxy

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func good() Settings {
	return Settings{Name: "web", Listen: []string{"192.0.2.100:80"}, BackEnds: []string{"http://10.0.0.11:8080"}}
}

func TestSettingsTellAllThatIsWrong(t *testing.T) {
	tests := map[string]struct {
		spoil func(*Settings)
		want  []string
	}{
		"good":            {func(*Settings) {}, nil},
		"name":            {func(s *Settings) { s.Name = "../x" }, []string{"letters, digits"}},
		"nothing":         {func(s *Settings) { *s = Settings{} }, []string{"name", "0 listen addresses", "0 back ends"}},
		"no port":         {func(s *Settings) { s.Listen = []string{"192.0.2.100"} }, []string{"missing port", "192.0.2.100:80"}},
		"twice":           {func(s *Settings) { s.Listen = append(s.Listen, s.Listen...) }, []string{"given twice"}},
		"TLS without key": {func(s *Settings) { s.ListenTLS = []string{":443"} }, []string{"certificate and a key"}},
		"back end path":   {func(s *Settings) { s.BackEnds = []string{"http://a/b"} }, []string{"no path"}},
		"back end scheme": {func(s *Settings) { s.BackEnds = []string{"ftp://a"} }, []string{"https://web1"}},
		"back end secret": {func(s *Settings) { s.BackEnds = []string{"http://u:p@a"} }, []string{"password"}},
		"check path":      {func(s *Settings) { s.Check.Path = "x" }, []string{"begin with /"}},
		"check times":     {func(s *Settings) { s.Check.Timeout = time.Minute }, []string{"longer than its interval"}},
		"negative":        {func(s *Settings) { s.IdleTime = -1 }, []string{"negative"}},
		"drain":           {func(s *Settings) { s.DrainTime = time.Hour }, []string{"at most 1m0s"}},
		"node":            {func(s *Settings) { s.Node = "a\r\nb" }, []string{"header"}},
		"header limit":    {func(s *Settings) { s.HeaderLimit = 1 }, []string{"1024"}},
		"rise":            {func(s *Settings) { s.Check.Rise = -1 }, []string{"rise -1"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := good()
			test.spoil(&s)
			_, err := s.Complete()
			if (err != nil) != (test.want != nil) {
				t.Fatalf("error: %v", err)
			}
			for _, words := range test.want {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("%q is not in: %v", words, err)
				}
			}
		})
	}
}

func TestCompleteTwiceIsOnceAndJSONKeepsAll(t *testing.T) {
	once, err := good().Complete()
	if err != nil {
		t.Fatal(err)
	}
	twice, err := once.Complete()
	if diff := cmp.Diff(once, twice); diff != "" || err != nil {
		t.Error(diff, err)
	}
	text, err := json.Marshal(once)
	if err != nil {
		t.Fatal(err)
	}
	var back Settings
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(once, back); diff != "" {
		t.Error(diff)
	}
}

func TestBackoff(t *testing.T) {
	ms := time.Millisecond
	var b backoff
	for i, step := range []struct{ life, want time.Duration }{
		{0, 0}, {ms, 10 * ms}, {ms, 20 * ms}, {ms, 40 * ms}, {ms, 80 * ms}, {ms, 160 * ms}, {ms, 320 * ms}, {ms, 640 * ms},
		{ms, time.Second}, {9 * time.Second, time.Second}, {10 * time.Second, 0}, {ms, 10 * ms},
	} {
		if got := b.after(step.life); got != step.want {
			t.Fatalf("step %d: got %v, want %v", i, got, step.want)
		}
	}
}
