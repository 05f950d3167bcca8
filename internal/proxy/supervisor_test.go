package proxy

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// local returns settings for one plain listener on loopback, on a port that is free now.
func local(t testing.TB, backEnds ...string) (Settings, string) {
	t.Helper()
	address := closedAddress(t)
	return Settings{Name: "web", Listen: []string{address}, BackEnds: backEnds, DrainTime: time.Second}, "http://" + address
}

func TestWorkerHasNoRights(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: only root has rights to give up")
	}
	s, url := local(t, backEndSaying(t, "ok").URL)
	place := testPlace(t)
	supervise(t, s, place)
	mustFetch(t, url)
	worker := monitored(t, "web", place).Worker
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", worker))
	if err != nil || len(threads) == 0 {
		t.Fatal("no threads", err)
	}
	want := map[string]string{"CapInh": none, "CapPrm": none, "CapEff": none, "CapBnd": none, "CapAmb": none, "NoNewPrivs": "1", "Groups": ""}
	for _, path := range threads {
		text := readFile(t, path)
		for name, value := range want {
			if got := field(text, name); got != value {
				t.Errorf("%s: %s is %q, want %q", path, name, got, value)
			}
		}
		if uids := strings.Fields(field(text, "Uid")); len(uids) != 4 || slices.Contains(uids, "0") {
			t.Errorf("%s: uids %v", path, uids)
		}
	}
	eventually(t, "the thread without rights is gone from the supervisor", func() bool {
		threads, _ := filepath.Glob("/proc/self/task/*/status")
		return len(threads) > 0 && !slices.ContainsFunc(threads, func(path string) bool {
			text := readFile(t, path)
			return text != "" && (field(text, "CapBnd") == none || field(text, "NoNewPrivs") != "0")
		})
	})
	group, _ := unix.Getpgid(worker)
	if group != worker {
		t.Errorf("worker is in process group %d", group)
	}
}

const none = "0000000000000000"

// TestLandlockHolds asks a process under the worker's own rules what it can still do.
func TestLandlockHolds(t *testing.T) {
	if version, _, _ := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, 1); int(version) < 4 {
		t.Skip("this kernel has no landlock with rules for TCP")
	}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	allowed, forbidden := backEndSaying(t, "ok"), backEndSaying(t, "ok")
	cmd := testProcess("--restricted", secret, allowed.URL, forbidden.URL)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := "read: denied\nwrite: denied\nlisten: denied\nallowed port: ok\nother port: denied\n/etc/hosts: ok\n"
	if string(out) != want {
		t.Errorf("got:\n%swant:\n%s", out, want)
	}
}

// beRestricted is the other process of TestLandlockHolds.
func beRestricted(secret, allowed, forbidden string) error {
	if err := restrict(Settings{BackEnds: []string{allowed}}); err != nil {
		return err
	}
	say := func(what string, err error) {
		words := "ok"
		if errors.Is(err, os.ErrPermission) {
			words = "denied"
		} else if err != nil {
			words = err.Error()
		}
		fmt.Printf("%s: %s\n", what, words)
	}
	_, err := os.ReadFile(secret)
	say("read", err)
	say("write", os.WriteFile(secret, nil, 0o600))
	var plain net.ListenConfig
	plain.SetMultipathTCP(false) // the kernel's rules are for plain TCP
	_, err = plain.Listen(context.Background(), "tcp", "127.0.0.1:0")
	say("listen", err)
	_, _, err = fetch(allowed)
	say("allowed port", err)
	_, _, err = fetch(forbidden)
	say("other port", err)
	_, err = os.ReadFile("/etc/hosts")
	say("/etc/hosts", err)
	return nil
}

func TestKilledWorkerIsReplacedWithoutARefusedConnection(t *testing.T) {
	s, url := local(t, backEndSaying(t, "ok").URL)
	place := testPlace(t)
	supervise(t, s, place)
	first := monitored(t, "web", place)
	for range 3 {
		kill(t, monitored(t, "web", place).Worker)
		for range 20 { // at once: these wait in the kernel's queue
			mustFetch(t, url)
		}
	}
	last := monitored(t, "web", place)
	if last.Restarts != 3 || last.Worker == first.Worker || last.LastExit != "signal: killed" {
		t.Errorf("status after three kills: %+v", last)
	}
	if last.Supervisor != os.Getpid() {
		t.Errorf("supervisor is %d", last.Supervisor)
	}
}

func kill(t testing.TB, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func TestHangingWorkerIsReplaced(t *testing.T) {
	s, url := local(t, backEndSaying(t, "ok").URL)
	place := testPlace(t)
	supervise(t, s, place)
	worker := monitored(t, "web", place).Worker
	if err := syscall.Kill(worker, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the worker stands still", func() bool {
		return strings.HasPrefix(field(readFile(t, fmt.Sprintf("/proc/%d/status", worker)), "State"), "T")
	})
	if s, err := Monitor(t.Context(), "web", place); err == nil && s.Worker == worker {
		t.Error("monitor of a stopped worker is content")
	}
	eventually(t, "another worker", func() bool {
		s, err := Monitor(t.Context(), "web", place)
		return err == nil && s.Worker != worker
	})
	mustFetch(t, url)
}

// TestNewSettingsLoseNoRequest changes the settings again and again under load.
func TestNewSettingsLoseNoRequest(t *testing.T) {
	one, two := backEndSaying(t, "one"), backEndSaying(t, "two")
	s, url := local(t, one.URL)
	place := testPlace(t)
	supervise(t, s, place)

	var sent, failed, late atomic.Int64
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: i%2 == 0}, Timeout: patience}
			defer client.CloseIdleConnections()
			for answered := time.Now(); ; answered = time.Now() {
				select {
				case <-stop:
					return
				default:
				}
				sent.Add(1)
				err := postOnce(client, url)
				closed := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)
				switch {
				case err == nil:
				case closed && i%2 == 1 && time.Since(answered) > farewell:
					late.Add(1) // no answer could tell it that its connection ends: the machine is too busy
				default:
					failed.Add(1)
					t.Errorf("a request failed: %v", err)
				}
			}
		})
	}
	want := "one"
	for i := range 4 {
		s.BackEnds, want = []string{two.URL}, "two"
		if i%2 == 1 {
			s.BackEnds, want = []string{one.URL}, "one"
		}
		if err := Start(t.Context(), s, place); err != nil {
			t.Fatal(err)
		}
		eventually(t, "only the new worker answers", func() bool { return mustFetch(t, url) == want })
		time.Sleep(farewell) // load on one worker before the next
	}
	for end := time.Now().Add(6 * patience); sent.Load() < 1000 && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
	}
	if sent.Load() < 1000 {
		t.Errorf("%d requests are not enough load to count", sent.Load())
	}
	close(stop)
	clients.Wait()
	st := monitored(t, "web", place)
	t.Logf("%d requests, %d failed, %d came after the farewell, 4 changes; the status counts %d", sent.Load(), failed.Load(), late.Load(), st.Served)
	if st.Restarts != 0 {
		t.Errorf("%d restarts counted for planned changes", st.Restarts)
	}
}

// postOnce sends a request that no client or proxy may send twice.
func postOnce(client *http.Client, url string) error {
	answer, err := client.Post(url, "text/plain", strings.NewReader("x"))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	return nil
}

func TestBadNewSettingsChangeNothing(t *testing.T) {
	s, url := local(t, backEndSaying(t, "ok").URL)
	place := testPlace(t)
	supervise(t, s, place)
	before := monitored(t, "web", place)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, test := range map[string]struct {
		spoil func(*Settings)
		want  string
	}{
		"address taken": {func(s *Settings) { s.Listen = []string{s.Listen[0], taken.Addr().String()} }, "ss -ltnp"},
		"no log":        {func(s *Settings) { s.AccessLog = "/nonexistent/log" }, "access log"},
		"no key": {func(s *Settings) {
			s.ListenTLS, s.Certificate, s.Key = []string{"127.0.0.1:0"}, "/nonexistent/c", "/nonexistent/k"
		}, "/nonexistent/c"},
	} {
		bad := s
		test.spoil(&bad)
		if err := Start(t.Context(), bad, place); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	mustFetch(t, url)
	if after := monitored(t, "web", place); after.Worker != before.Worker || after.Restarts != 0 {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

func TestSecondSupervisorIsRefused(t *testing.T) {
	s, _ := local(t, backEndSaying(t, "ok").URL)
	place := testPlace(t)
	supervise(t, s, place)
	err := RunSupervisor(t.Context(), s, place, nil)
	if !errors.Is(err, unix.EWOULDBLOCK) || !strings.Contains(err.Error(), "runs already") {
		t.Errorf("got %v", err)
	}
}

func TestDownBackEndIsReportedAndIsNoFailure(t *testing.T) {
	s, url := local(t, backEndSaying(t, "ok").URL, "http://"+closedAddress(t))
	s.Check = HealthCheck{Interval: 20 * time.Millisecond}
	place := testPlace(t)
	supervise(t, s, place)
	eventually(t, "one of two down with a reason", func() bool {
		b := monitored(t, "web", place).BackEnds
		return len(b) == 2 && b[0].Up && !b[1].Up && strings.Contains(b[1].Reason, "refused")
	})
	for range 4 {
		mustFetch(t, url)
	}
	eventually(t, "all four are counted", func() bool { return monitored(t, "web", place).Served >= 4 })
	if st := monitored(t, "web", place); st.Served != 4 || st.Failed != 0 {
		t.Errorf("served %d, failed %d", st.Served, st.Failed)
	}
	if status, _, err := fetch(url + statusPage); err != nil || status != 200 {
		t.Errorf("%d %v", status, err)
	}
}

func TestStatusPageIsNotPublic(t *testing.T) {
	b := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(b.Close)
	s, url := local(t, b.URL)
	supervise(t, s, testPlace(t))
	for _, page := range []string{statusPage, pageStatus, pageSettings, pageStop} {
		if status, _, err := fetch(url + page); err != nil || status != http.StatusNotFound {
			t.Errorf("%s: %d %v; the back end's 404 is wanted", page, status, err)
		}
	}
}

func TestLogrotate(t *testing.T) {
	s, url := local(t, backEndSaying(t, "ok").URL)
	dir := t.TempDir() // 0700 for root: the worker could not open it
	s.AccessLog = filepath.Join(dir, "access.log")
	supervise(t, s, testPlace(t))
	mustFetch(t, url+"/before")
	if err := os.Rename(s.AccessLog, s.AccessLog+".1"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a new file", func() bool { _, err := os.Stat(s.AccessLog); return err == nil })
	eventually(t, "later lines in the new file", func() bool {
		mustFetch(t, url+"/after")
		return strings.Contains(readFile(t, s.AccessLog), "GET /after ")
	})
	if text := readFile(t, s.AccessLog+".1"); strings.Count(text, "GET /before ") != 1 {
		t.Errorf("old file: %q", text)
	}
}

func TestTLSWithNewCertificateAndHTTP2(t *testing.T) {
	s, _ := local(t, backEndSaying(t, "ok").URL)
	dir := t.TempDir()
	s.Listen, s.ListenTLS = nil, s.Listen
	s.Certificate, s.Key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writePair(t, s, 1)
	place := testPlace(t)
	supervise(t, s, place)
	if serial, proto := handshake(t, s.ListenTLS[0]); serial != 1 || proto != "h2" {
		t.Errorf("serial %d, protocol %q", serial, proto)
	}
	worker := monitored(t, "web", place).Worker
	if err := os.WriteFile(s.Certificate, []byte("half a certificate"), 0o600); err != nil { // in the middle of a copy
		t.Fatal(err)
	}
	syscall.Kill(os.Getpid(), syscall.SIGHUP)
	if serial, _ := handshake(t, s.ListenTLS[0]); serial != 1 {
		t.Errorf("serial %d with half a certificate", serial)
	}
	writePair(t, s, 2)
	eventually(t, "the new certificate", func() bool { serial, _ := handshake(t, s.ListenTLS[0]); return serial == 2 })
	if now := monitored(t, "web", place).Worker; now != worker {
		t.Error("the certificate cost a worker")
	}
	client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	answer, err := client.Get("https://" + s.ListenTLS[0])
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.ProtoMajor != 2 || answer.StatusCode != 200 {
		t.Errorf("%s %s", answer.Proto, answer.Status)
	}
	kill(t, worker) // the next one must get the present certificate
	if serial, _ := handshake(t, s.ListenTLS[0]); serial != 2 {
		t.Errorf("serial %d after a restart", serial)
	}
}

// writePair makes a key that only its owner may read, and a certificate for it.
func writePair(t *testing.T, s Settings, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{
		s.Certificate: {Type: "CERTIFICATE", Bytes: der}, s.Key: {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func handshake(t *testing.T, address string) (serial int64, proto string) {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	st := conn.ConnectionState()
	return st.PeerCertificates[0].SerialNumber.Int64(), st.NegotiatedProtocol
}

// TestDrainFinishesWhatRuns stops the proxy while an answer is half sent.
func TestDrainFinishesWhatRuns(t *testing.T) {
	release := make(chan struct{})
	b := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "first\n")
		w.(http.Flusher).Flush()
		<-release
		io.WriteString(w, "second\n")
	}))
	t.Cleanup(b.Close)
	s, url := local(t, b.URL)
	s.DrainTime = patience
	place := testPlace(t)
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- RunSupervisor(ctx, s, place, func() { close(ready) }) }()
	<-ready
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	in := bufio.NewReader(answer.Body)
	if _, err := in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	cancel()
	time.Sleep(2 * farewell)
	close(release)
	if line, err := in.ReadString('\n'); line != "second\n" || err != nil {
		t.Errorf("rest of the answer: %q, %v", line, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := Monitor(t.Context(), "web", place); !errors.Is(err, ErrNotRunning) {
		t.Errorf("monitor after the end: %v", err)
	}
}
