package config

import (
	"path/filepath"
	"slices"
)

// maxServiceLogs bounds what is read when an action fails.
const maxServiceLogs = 3

// serviceLog takes where a service writes what it has to say.
func (c *lubdubConf) serviceLog(st statement) {
	for _, r := range c.resources(st.args[0], false) {
		for _, w := range st.args[1:] {
			switch {
			case !filepath.IsAbs(w.text):
				c.errorf(w, "begin it with /", "%s is not a full path", quote(w.text))
			case r.Class == classAddress || r.Class == classProxy:
				c.errorf(st.args[0], "write it for the service", "%s has no log of its own", quote(r.Name))
				return
			case slices.Contains(r.Logs, w.text):
			case len(r.Logs) == maxServiceLogs:
				c.errorf(w, "choose those that say why it fails", "more than %d logs of %s", maxServiceLogs, quote(r.Name))
				return
			default:
				r.Logs = append(r.Logs, filepath.Clean(w.text))
			}
		}
	}
}
