package agent

import (
	"fmt"
	"strings"
)

// positions say which parameters of an OCF agent the arguments of haresources are.
type positions struct {
	names []string // in order
	least int      // how many must be there
	rest  bool     // the last one takes all that follow, with blanks between
	slash bool     // there is one argument, and "/" parts the names in it
	digit string   // the parameter to use instead when the argument is a number
}

// usage says what to write.
func (p positions) usage(kind string) string {
	var b strings.Builder
	b.WriteString("write " + kind)
	separator := "::"
	for i, name := range p.names {
		if i > 0 && p.slash {
			separator = "/"
		}
		word := separator + strings.ToUpper(name)
		if i >= p.least && !p.slash {
			word = "[" + word + "]"
		}
		b.WriteString(word)
	}
	if p.rest {
		b.WriteString("...")
	}
	return b.String()
}

// positional is the map from arguments to parameters. It is what the scripts that Heartbeat 3.0.6 put into resource.d
// did for these agents. Route and drbddisk had no such script: Route takes its own parameters in the order of its
// meta-data, drbddisk the name of the resource as the script of that name in DRBD's packages.
func positional() map[string]positions {
	return map[string]positions{
		"AudibleAlarm": {names: []string{"nodelist"}, rest: true},
		"Delay":        {names: []string{"startdelay", "stopdelay"}},
		"Filesystem":   {names: []string{"device", "directory", "fstype", "options"}, least: 2},
		"ICP":          {names: []string{"driveid", "device"}, least: 2},
		"IPsrcaddr":    {names: []string{"ipaddress"}, least: 1},
		"LVM":          {names: []string{"volgrpname"}, least: 1},
		"LinuxSCSI":    {names: []string{"scsi"}, least: 1},
		"MailTo":       {names: []string{"email", "subject"}, least: 1},
		"Raid1":        {names: []string{"raidconf", "raiddev"}, least: 2},
		"Route":        {names: []string{"destination", "device", "gateway", "source", "table"}, least: 1},
		"SendArp":      {names: []string{"ip", "nic"}, least: 1, slash: true},
		"ServeRAID":    {names: []string{"serveraid", "mergegroup"}, least: 2},
		"WAS":          {names: []string{"config"}, digit: "port"},
		"WinPopup":     {names: []string{"hostfile"}},
		"Xinetd":       {names: []string{"service"}, least: 1},
		"apache":       {names: []string{"configfile"}},
		"db2":          {names: []string{"instance"}, least: 1},
		"drbddisk":     {names: []string{"drbd_resource"}, least: 1},
		"ids":          {names: []string{"informixdir", "informixserver", "onconfig"}},
		"portblock":    {names: []string{"protocol", "portno", "action"}, least: 3},
	}
}

// parameters returns the arguments of an OCF agent as NAME=VALUE. An empty argument leaves its parameter out.
func parameters(kind string, args []string) ([]string, *Problem) {
	if len(args) == 0 {
		return nil, nil // named ones may do
	}
	p, known := positional()[kind]
	if !known {
		return nil, &Problem{Words: fmt.Sprintf("the OCF agent %s takes its parameters by name, not by position", kind),
			Remedy: fmt.Sprintf("write 'param %s NAME=VALUE' in lubdub.conf", kind)}
	}
	given := p.split(args)
	names := p.names
	if p.digit != "" && isNumber(given[0]) {
		names = []string{p.digit}
	}
	switch {
	case len(given) > len(names) || p.slash && len(args) > 1:
		return nil, &Problem{Words: fmt.Sprintf("%s has too many arguments (%d)", kind, len(args)), Remedy: p.usage(kind)}
	case len(given) < p.least:
		return nil, &Problem{Words: fmt.Sprintf("%s has too few arguments (%d)", kind, len(args)), Remedy: p.usage(kind)}
	}
	var out []string
	for i, value := range given {
		if value != "" {
			out = append(out, names[i]+"="+value)
		}
	}
	return out, nil
}

// split returns one value for each parameter.
func (p positions) split(args []string) []string {
	last := len(p.names) - 1
	switch {
	case p.slash && len(args) == 1:
		return strings.SplitN(args[0], "/", len(p.names))
	case p.rest && len(args) > last:
		return append(append([]string{}, args[:last]...), strings.Join(args[last:], " "))
	}
	return args
}

func isNumber(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}
