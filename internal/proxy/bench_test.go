package proxy

import (
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// BenchmarkRequest measures requests over kept connections, 16 for each core; client, proxy and back end share the
// machine. Compare with the same without a proxy.
func BenchmarkRequest(b *testing.B) {
	backEnd := backEndSaying(b, "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789")
	b.Run("direct", func(b *testing.B) { measure(b, backEnd.URL) })
	for _, withLog := range []bool{false, true} {
		name := "proxy"
		s, url := local(b, backEnd.URL)
		if withLog {
			name = "proxy+log"
			s.AccessLog = filepath.Join(b.TempDir(), "access.log")
		}
		b.Run(name, func(b *testing.B) {
			supervise(b, s, testPlace(b))
			measure(b, url)
		})
	}
}

func measure(b *testing.B, url string) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
	defer client.CloseIdleConnections()
	b.SetParallelism(16)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			answer, err := client.Get(url)
			if err != nil {
				b.Error(err)
				return
			}
			io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}

// BenchmarkDeadWorker measures from kill -9 to the first whole answer, connection included. Each
// round has a supervisor of its own: in one the lives would be so short that it sees a crash loop and pauses.
func BenchmarkDeadWorker(b *testing.B) {
	backEnd := backEndSaying(b, "ok")
	var gaps []time.Duration
	for b.Loop() {
		b.StopTimer()
		s, url := local(b, backEnd.URL)
		place := testPlace(b)
		supervise(b, s, place)
		mustFetch(b, url)
		worker := monitored(b, "web", place).Worker
		b.StartTimer()
		began := time.Now()
		kill(b, worker)
		mustFetch(b, url)
		gaps = append(gaps, time.Since(began))
	}
	slices.Sort(gaps)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(gaps[0]), "min-ms")
	b.ReportMetric(ms(gaps[len(gaps)/2]), "median-ms")
	b.ReportMetric(ms(gaps[len(gaps)-1]), "max-ms")
}
