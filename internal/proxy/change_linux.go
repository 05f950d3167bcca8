package proxy

import (
	"context"
	"errors"
	"fmt"
	"reflect"
)

// change is a set of settings that is being brought in.
type change struct {
	settings Settings
	sockets  sockets
	keys     *keyFiles
	pair     *keyPair
	file     *logFile
	reply    chan<- error
}

// prepare opens what the settings name and we do not have.
func (s *supervisor) prepare(ctx context.Context, settings Settings) (*change, error) {
	c := &change{settings: settings, keys: &keyFiles{certificate: settings.Certificate, key: settings.Key}, file: &logFile{path: settings.AccessLog}}
	var err error
	if c.pair, err = c.keys.load(); err != nil {
		return nil, err
	}
	if _, err := credential(settings.User); err != nil {
		return nil, err
	}
	if _, err := c.file.reopen(); err != nil {
		return nil, err
	}
	if c.sockets, err = openSockets(ctx, settings, s.sockets); err != nil {
		c.file.close()
		return nil, err
	}
	return c, nil
}

// bring starts a child with the change; when it is ready the change is the present.
func (s *supervisor) bring(c *change) {
	s.pending = c
	if err := s.startChild(c.settings, c.sockets, c.pair, c.file.file); err != nil {
		s.giveUp(err)
	}
}

// giveUp drops the pending change. The first of all is the reason to be: without it the supervisor ends.
func (s *supervisor) giveUp(err error) {
	c := s.pending
	s.pending = nil
	c.sockets.closeExcept(s.sockets)
	c.file.close()
	c.reply <- err
	if s.sockets == nil {
		s.stopping = true
	} else if s.serving == nil {
		s.pause(0)
	}
}

// adopt makes the pending change the present.
func (s *supervisor) adopt(c *change) {
	first := s.sockets == nil
	s.sockets.closeExcept(c.sockets)
	if s.file != nil {
		s.file.close()
	}
	s.settings, s.sockets, s.keys, s.pair, s.file, s.pending = c.settings, c.sockets, c.keys, c.pair, c.file, nil
	c.reply <- nil
	if first && s.ready != nil {
		s.ready()
	}
}

func (s *supervisor) onTold(t told) {
	switch {
	case s.stopping:
		t.reply <- errors.New("the proxy is being stopped; start it again")
	case s.pending != nil:
		t.reply <- errors.New("other settings are being brought in; try again in a moment")
	case t.settings.Name != s.settings.Name:
		t.reply <- fmt.Errorf("these settings are for proxy %s; a name cannot change", t.settings.Name)
	case s.next != nil:
		t.reply <- errors.New("the worker is being restarted; try again in a moment")
	case reflect.DeepEqual(t.settings, s.settings):
		t.reply <- nil
	default:
		s.bringNew(t)
	}
}

func (s *supervisor) bringNew(t told) {
	c, err := s.prepare(context.Background(), t.settings)
	if err != nil {
		t.reply <- err
		return
	}
	c.reply = t.reply
	s.retry = nil
	s.log.Info("new settings: starting a worker with them")
	s.bring(c)
}
