package agent

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"lubdub/internal/cluster"
)

const (
	// metadataTime bounds how long an OCF agent may take to describe itself: it has only to print a text.
	metadataTime = 5 * time.Second
	// maxAdvice is the longest time-out that an agent's advice can bring: whoever wants more writes it.
	maxAdvice = 10 * time.Minute
)

// verbDescribe is the action of an OCF agent that prints its metadata.
const verbDescribe = "meta-data"

// metadata is what an OCF agent says of itself, as far as it is used here.
type metadata struct {
	advice    map[string]time.Duration // the time-outs that it advises, by action
	validates bool                     // it can check its parameters without starting anything
	promotes  bool                     // it can also be run twice, one of both in the lead
	params    []parameter
}

// parameter is one that an OCF agent takes.
type parameter struct {
	name string
	need bool // it must be given, for it has no default
}

// described is the metadata of an agent that did not change since, or why it has none: an agent that cannot describe
// itself is not asked before each action.
type described struct {
	changed time.Time
	size    int64
	is      metadata
	err     error
}

// metadata asks an OCF agent what it says of itself, once for each version of its file.
func (r *Runner) metadata(ctx context.Context, p plan) (metadata, error) {
	info, err := os.Stat(p.path)
	if err != nil {
		return metadata{}, err
	}
	if known, ok := r.known.Load(p.path); ok {
		if d := known.(described); d.changed.Equal(info.ModTime()) && d.size == info.Size() {
			return d.is, d.err
		}
	}
	m, err := r.describe(ctx, p)
	if ctx.Err() == nil {
		r.known.Store(p.path, described{info.ModTime(), info.Size(), m, err})
	}
	return m, err
}

// describe runs an OCF agent for its metadata.
func (r *Runner) describe(ctx context.Context, p plan) (metadata, error) {
	ctx, free := context.WithTimeout(ctx, metadataTime)
	defer free()
	name := filepath.Base(p.path)
	q := Request{Resource: cluster.Resource{Name: name, Type: name}, Action: verbDescribe, Timeout: metadataTime}
	c := command{argv: append(append([]string{}, p.argv...), verbDescribe), split: true, grace: maxGrace,
		env: r.environment(q, plan{class: classOCF, provider: p.provider}, 0)}
	e, err := c.run(ctx)
	switch {
	case err != nil:
		return metadata{}, fmt.Errorf("%s meta-data: %w", p.path, err)
	case e.leash != nil || e.code != exitOK || e.signal != 0:
		return metadata{}, fmt.Errorf("%s meta-data: it did not answer well%s", p.path, said(linesOf(e.all)))
	}
	m, err := parseMetadata(e.output)
	if err != nil {
		return metadata{}, fmt.Errorf("%s meta-data: %w", p.path, err)
	}
	return m, nil
}

// parseMetadata reads the XML that the OCF resource agent API wants.
func parseMetadata(text string) (metadata, error) {
	var agent struct {
		XMLName    xml.Name `xml:"resource-agent"`
		Parameters []struct {
			Name     string `xml:"name,attr"`
			Required string `xml:"required,attr"`
			Content  struct {
				Default string `xml:"default,attr"`
			} `xml:"content"`
		} `xml:"parameters>parameter"`
		Actions []struct {
			Name    string `xml:"name,attr"`
			Timeout string `xml:"timeout,attr"`
		} `xml:"actions>action"`
	}
	d := xml.NewDecoder(strings.NewReader(text))
	d.Strict = false
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // only names and numbers are wanted
	if err := d.Decode(&agent); err != nil {
		return metadata{}, fmt.Errorf("read its XML: %w", err)
	}
	m := metadata{advice: map[string]time.Duration{}}
	for _, a := range agent.Actions {
		m.validates = m.validates || a.Name == verbValidate
		m.promotes = m.promotes || a.Name == "promote"
		if d := adviceOf(a.Timeout); d > m.advice[a.Name] {
			m.advice[a.Name] = d
		}
	}
	for _, p := range agent.Parameters {
		need := (p.Required == "1" || p.Required == "true") && p.Content.Default == ""
		m.params = append(m.params, parameter{p.Name, need})
	}
	return m, nil
}

// adviceOf reads a time-out as agents write it: 20, 20s, 500ms, 1m, 2min, 1h. 0: none.
func adviceOf(text string) time.Duration {
	text = strings.ToLower(strings.TrimSpace(text))
	number := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyz ")
	unit, ok := map[string]time.Duration{"": time.Second, "s": time.Second, "sec": time.Second, "ms": time.Millisecond,
		"msec": time.Millisecond, "us": time.Microsecond, "usec": time.Microsecond, "m": time.Minute, "min": time.Minute,
		"h": time.Hour, "hr": time.Hour}[strings.TrimSpace(text[len(number):])]
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil || !ok {
		return 0
	}
	return min(time.Duration(n)*unit, maxAdvice)
}

// advised returns the time that an action gets: longer than asked for when nobody wrote a time-out and the agent
// advises more.
func (m metadata) advised(q Request) time.Duration {
	for _, a := range q.Resource.Usual {
		if a == q.Action {
			return max(q.Timeout, m.advice[string(a)])
		}
	}
	return q.Timeout
}
