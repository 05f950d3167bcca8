package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

const (
	pageStatus    = "/status"
	pageSettings  = "/settings"
	pageStop      = "/stop"
	settingsLimit = 64 << 10        // bytes; the largest settings that Complete lets through need a third
	goodbye       = time.Second     // for an answer under way when the supervisor ends
	controlTime   = 5 * time.Second // for a request to arrive on the control socket
)

// control is the supervisor's unix socket.
type control struct {
	http *http.Server
	done chan struct{}
}

func (s *supervisor) openControl() (*control, error) {
	path := s.dir.control()
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	pages := http.NewServeMux()
	pages.HandleFunc("GET "+pageStatus, s.answerStatus)
	pages.HandleFunc("PUT "+pageSettings, s.answerSettings)
	pages.HandleFunc("POST "+pageStop, func(http.ResponseWriter, *http.Request) { s.tell(stopped{}) })
	c := &control{&http.Server{Handler: pages, ReadTimeout: controlTime}, make(chan struct{})}
	go func() {
		defer close(c.done)
		_ = c.http.Serve(l) // ends by close only; were the socket broken, Monitor would say so
	}()
	return c, nil
}

func (c *control) close() {
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	if c.http.Shutdown(ctx) != nil {
		_ = c.http.Close()
	}
	<-c.done
}

func (s *supervisor) answerStatus(w http.ResponseWriter, r *http.Request) {
	reply := make(chan view, 1)
	s.tell(asked{reply})
	var v view
	select {
	case v = <-reply:
	case <-s.ended:
		http.Error(w, "the proxy has just ended", http.StatusServiceUnavailable)
		return
	}
	if v.serving != nil {
		live, err := v.serving.ask(r.Context())
		v.status.Accepting = err == nil
		if last := v.serving.last.Load(); last != nil {
			live = *last
		}
		v.status.count(live)
		v.status.BackEnds = live.BackEnds
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v.status) // who asked has left if this fails
}

func (s *supervisor) answerSettings(w http.ResponseWriter, r *http.Request) {
	var settings Settings
	err := json.NewDecoder(io.LimitReader(r.Body, settingsLimit)).Decode(&settings)
	if err == nil {
		settings, err = settings.Complete()
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	reply := make(chan error, 1)
	s.tell(told{settings, reply})
	select {
	case err = <-reply:
	case <-s.ended:
		err = errors.New("the proxy has just ended")
	case <-r.Context().Done():
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
	}
}
