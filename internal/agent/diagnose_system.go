package agent

import (
	"cmp"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// place is where a line says something listens: HOST:PORT, [HOST]:PORT, *:PORT, or only a port.
var listenPlace = regexp.MustCompile(`(?:\[([0-9A-Fa-f:.]*)\]|(\d+(?:\.\d+){3}|\*)):(\d{1,5})\b|(?i:port) (\d{1,5})\b`)

// listenAt finds it.
func listenAt(line string) (host string, port int) {
	m := listenPlace.FindStringSubmatch(line)
	if m == nil {
		return "", 0
	}
	port, err := strconv.Atoi(cmp.Or(m[3], m[4]))
	if err != nil {
		return "", 0
	}
	return cmp.Or(m[1], m[2]), port
}

func portTaken(e *evidence, m []string) *Problem {
	_, port := listenAt(m[0])
	if port == 0 {
		if _, port = listenAt(strings.Join(e.heard, " ")); port == 0 {
			return &Problem{"the port that it listens on is taken", "see who has it with: ss -ltnp"}
		}
	}
	who, ok := e.network(port)
	if !ok {
		return &Problem{fmt.Sprintf("port %d is taken", port), fmt.Sprintf("see who has it with: ss -ltnp 'sport = :%d'", port)}
	}
	return who.holds(port, e)
}

// holds says who has a port, and how to be rid of it.
func (l listener) holds(port int, e *evidence) *Problem {
	of, remedy := fmt.Sprintf("process %d", l.pid), "stop it"
	if l.unit != "" {
		of += " of " + l.unit
		remedy = "systemctl stop " + l.unit
		if l.boot {
			of += ", which is started at boot"
			remedy = "systemctl disable --now " + l.unit
		}
	}
	if slices.Contains(programsOf(e.q.Resource), l.name) {
		return &Problem{fmt.Sprintf("%s runs here already and has port %d (%s), and lubdub does not know it", l.name, port, of),
			remedy + ", on both nodes: only lubdub may start it"}
	}
	return &Problem{fmt.Sprintf("port %d is taken by %s (%s)", port, l.name, of), remedy + ", or give one of the two another port"}
}

func addressMissing(e *evidence, m []string) *Problem {
	host, port := listenAt(m[0])
	if port == 0 {
		return &Problem{"it listens on an address that this node does not have now", "let it listen on all addresses, or set net.ipv4.ip_nonlocal_bind=1 with sysctl"}
	}
	family := "ipv4"
	if strings.Contains(host, ":") {
		family = "ipv6"
	}
	remedy := fmt.Sprintf("let it listen without an address (for httpd: Listen %d), or set net.%s.ip_nonlocal_bind=1 with sysctl on both nodes", port, family)
	if e.q.Resource.Warm {
		remedy += "; it is warm, so it runs on the node without the address too"
	} else {
		remedy += ", or put the address before it in haresources"
	}
	return &Problem{fmt.Sprintf("it listens on %s, and this node does not have that address now", host), remedy}
}

// firstFree is the first port that everybody may use.
const firstFree = 1024

func lowPort(e *evidence, m []string) *Problem {
	if _, port := listenAt(m[0]); port > 0 && port < firstFree {
		return &Problem{fmt.Sprintf("only root may listen on port %d", port), "start it as root (a 'user' line in lubdub.conf?), or with a port from 1024 on"}
	}
	return nil
}

var absolute = regexp.MustCompile(`/[^\s'":;,)\]]+`)

func diskFull(e *evidence, m []string) *Problem {
	for _, path := range append(absolute.FindAllString(m[2], -1), absolute.FindAllString(m[1], -1)...) {
		dir := filepath.Dir(path)
		var fs unix.Statfs_t
		if err := unix.Statfs(dir, &fs); err != nil {
			continue
		}
		switch {
		case fs.Bavail == 0:
			return &Problem{fmt.Sprintf("the disk with %s is full", dir), "make room: df -h " + dir}
		case fs.Files > 0 && fs.Ffree == 0:
			return &Problem{fmt.Sprintf("the disk with %s has no inode left", dir), "remove files there: df -i " + dir}
		}
	}
	return &Problem{"a disk that it writes to is full", "find it with df -h and df -i (a quota also counts)"}
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// ownerWrong says which part of the path keeps it out, as far as that can be seen.
func ownerWrong(e *evidence, m []string) *Problem {
	path := filepath.Clean(strings.TrimRight(m[1], "."))
	remedy := "see owners and modes along the path with: namei -l " + path
	who := cmp.Or(e.q.Resource.User, e.httpd.user)
	if strings.HasPrefix(who, "$") || strings.HasPrefix(who, "#") {
		who = ""
	}
	at := path
	if u, err := user.Lookup(who); err == nil {
		at = closed(path, u)
	}
	info, err := os.Lstat(at)
	if err != nil {
		return &Problem{fmt.Sprintf("it may not use %s", path), remedy}
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return &Problem{fmt.Sprintf("it may not use %s", path), remedy}
	}
	owner := strconv.Itoa(int(stat.Uid))
	if u, err := user.LookupId(owner); err == nil {
		owner = u.Username
	}
	said := fmt.Sprintf("%s belongs to %s with mode %04o", at, owner, info.Mode().Perm())
	if at == path {
		said = fmt.Sprintf("belongs to %s with mode %04o", owner, info.Mode().Perm())
	}
	if who != "" {
		said += ", and it runs as " + who
	}
	return &Problem{fmt.Sprintf("it may not use %s: %s", path, said), remedy}
}

// closed is the first part of a path that a user may not enter, or the path itself.
func closed(path string, u *user.User) string {
	const search = 1
	groups, err := u.GroupIds()
	if err != nil {
		return path
	}
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i := range parts[:len(parts)-1] {
		at := "/" + strings.Join(parts[:i+1], "/")
		var stat unix.Stat_t
		if err := unix.Stat(at, &stat); err != nil {
			return path
		}
		mode := stat.Mode & 7
		switch {
		case strconv.Itoa(int(stat.Uid)) == u.Uid:
			mode = stat.Mode >> 6 & 7
		case slices.Contains(groups, strconv.Itoa(int(stat.Gid))):
			mode = stat.Mode >> 3 & 7
		}
		if mode&search == 0 {
			return at
		}
	}
	return path
}

func programMissing(e *evidence, m []string) *Problem {
	name := cmp.Or(m[1:]...)
	switch {
	case name == "203": // systemd's EXEC
		return &Problem{"systemd cannot execute its program", "see ExecStart= with: systemctl cat " + unitName(e.q.Resource.Type)}
	case strings.HasPrefix(name, "/") && isThere(name):
		return &Problem{name + " cannot be executed", "chmod +x " + name}
	}
	return &Problem{fmt.Sprintf("its program is not there: %s", strings.TrimSuffix(name, ".")), "install it as on the other node, or correct its path"}
}

func fileMissing(e *evidence, m []string) *Problem {
	path := strings.TrimRight(m[1], ".!")
	for at := filepath.Dir(path); at != "/" && at != "."; at = filepath.Dir(at) {
		if isThere(at) {
			break
		}
		path = at
	}
	name := filepath.Base(path)
	passing := slices.ContainsFunc([]string{"pid", "lock", "sock"}, func(end string) bool { return strings.HasSuffix(name, end) })
	if passing || isThere(path) { // of a service that does not run that is so; or it has come since
		return nil
	}
	return &Problem{path + " is not there", "make it, or correct its path; if it lies on a file system of the group, that must stand before " + e.q.Resource.Name + " in haresources"}
}
