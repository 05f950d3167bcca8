package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"lubdub/internal/vip"
)

// askMissing asks, on a terminal, for what no flag said. Without a terminal it says which flags are missing.
func (w world) askMissing(a *wishes) error {
	var missing []string
	for _, m := range []struct {
		is   bool
		flag string
	}{{len(a.nodes) == 0, "--nodes"}, {len(a.links) == 0, "--link"}, {a.address == "", "--address"}} {
		if m.is {
			missing = append(missing, m.flag)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if !w.TerminalIn {
		return misuse("%s must be given, for there is no terminal to ask on", strings.Join(missing, ", "))
	}
	host, err := w.Hostname()
	if err != nil {
		return err
	}
	interfaces, err := w.Interfaces()
	if err != nil {
		return err
	}
	q := questions{in: bufio.NewScanner(w.Stdin), out: w.Stdout}
	if len(a.nodes) == 0 {
		first := q.ask("The node that should run the service, as 'uname -n' prints it", strings.ToLower(host),
			func(name string) string { return w.try(wishes{nodes: []string{name, "other." + name}}) })
		a.nodes = []string{first, q.ask("The other node, as 'uname -n' prints it there", "", func(name string) string {
			if strings.EqualFold(name, first) {
				return "that is the first node again"
			}
			return w.try(wishes{nodes: []string{first, name}})
		})}
	}
	// Each answer is tried together with those before it.
	so := func(change func(*wishes, []string)) func([]string) string {
		return func(answers []string) string {
			trial := *a
			change(&trial, answers)
			return w.try(trial)
		}
	}
	if len(a.links) == 0 {
		a.links = q.list("The links between them, two on different cables, with commas", strings.Join(likelyLinks(interfaces), ", "), so(func(t *wishes, l []string) { t.links = l }))
	}
	if a.address == "" {
		check := so(func(t *wishes, l []string) { t.address = l[0] })
		a.address = q.ask("The shared address, a free one of "+subnets(interfaces), "", func(text string) string { return check([]string{text}) })
	}
	if len(a.service) == 0 {
		a.service = q.list("What runs behind it, as apache::/etc/apache2/apache2.conf (empty: the address alone)", none, so(func(t *wishes, l []string) { t.service = l }))
	}
	if len(a.pings) == 0 {
		a.pings = q.list("A third machine that both nodes can ping, as the router (empty: none)", none, so(func(t *wishes, l []string) { t.pings = l }))
	}
	return q.err
}

// none is the default of a question that may stay without an answer.
const none = "nothing"

// maxTries bounds how often a question is repeated: nobody answers, or a cat sits on the keyboard.
const maxTries = 5

// questions asks line by line, and stops asking at the first error.
type questions struct {
	in  *bufio.Scanner
	out io.Writer
	err error
}

// ask returns the answer, or what is proposed when the line is empty. When something is wrong with the answer it says
// so, and asks again.
func (q *questions) ask(question, proposed string, wrong func(answer string) string) string {
	for range maxTries {
		if q.err != nil {
			return ""
		}
		text := question
		if proposed != "" {
			text += " [" + proposed + "]"
		}
		if _, err := fmt.Fprint(q.out, text+": "); err != nil {
			q.err = err
			return ""
		}
		if !q.in.Scan() {
			q.err = errors.Join(errors.New("the answers ended; nothing is written"), q.in.Err())
			return ""
		}
		answer := strings.TrimSpace(q.in.Text())
		if answer == "" {
			answer = proposed
		}
		if answer == "" {
			continue
		}
		words := wrong(answer)
		if words == "" {
			return answer
		}
		if _, q.err = fmt.Fprintf(q.out, "  %s\n", visible(words)); q.err != nil {
			return ""
		}
	}
	q.err = errors.New("there was no answer that could be used; nothing is written")
	return ""
}

// list asks for several answers in one line.
func (q *questions) list(question, proposed string, wrong func([]string) string) []string {
	return parted(q.ask(question, proposed, func(answer string) string { return wrong(parted(answer)) }))
}

// parted are the answers of a line.
func parted(answer string) []string {
	if answer == none || answer == "" {
		return nil
	}
	var all []string
	for part := range strings.SplitSeq(answer, ",") {
		if part = strings.TrimSpace(part); part != "" {
			all = append(all, part)
		}
	}
	return all
}

// maxProposed is how many links are proposed: the second one saves the night, a third is the operator's idea.
const maxProposed = 2

// likelyLinks are broadcasts on the interfaces that could reach the other node.
func likelyLinks(interfaces []vip.Interface) []string {
	var out []string
	for _, i := range usable(interfaces) {
		if len(out) < maxProposed {
			out = append(out, "bcast "+i.Name)
		}
	}
	return out
}

// usable are the interfaces with a MAC and carrier: no loopback, no tunnel.
func usable(interfaces []vip.Interface) []vip.Interface {
	return slices.DeleteFunc(slices.Clone(interfaces), func(i vip.Interface) bool { return !i.Carrier || i.MAC == vip.MAC{} })
}

// subnets are where a shared address could lie.
func subnets(interfaces []vip.Interface) string {
	var out []string
	for _, i := range usable(interfaces) {
		for _, s := range i.Subnets() {
			if isShareable(s) {
				out = append(out, fmt.Sprintf("%s (%s)", s, i.Name))
			}
		}
	}
	if len(out) == 0 {
		return "your network"
	}
	return strings.Join(out, ", ")
}

func isShareable(s netip.Prefix) bool {
	return !s.Addr().IsLoopback() && !s.Addr().IsLinkLocalUnicast() && !s.Addr().IsMulticast()
}
