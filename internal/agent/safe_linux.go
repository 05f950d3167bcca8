package agent

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	maxLinks        = 40  // symbolic links in a path; the kernel follows as many
	maxInterpreters = 4   // scripts that are run by scripts; the kernel allows as many
	maxHeader       = 256 // of a file, as far as the kernel looks for its interpreter
)

// shell runs scripts that name no interpreter, as a shell that was asked to run them would.
const shell = "/bin/sh"

// checkProgram says why the program must not be run: somebody else than root, or than the user that we are, could have
// changed it. It returns what has to run it when the kernel would not know.
func checkProgram(path string) (interpreter []string, wrong *Problem) {
	for range maxInterpreters + 1 {
		if wrong := checkPath(path); wrong != nil {
			return nil, wrong
		}
		next, own, err := interpreterOf(path)
		switch {
		case err != nil:
			return nil, &Problem{Words: err.Error()}
		case next == "":
			return interpreter, nil
		case !own && interpreter == nil:
			interpreter = []string{shell}
		}
		path = next
	}
	return nil, &Problem{Words: path + " is run by a script that is run by a script, and so on", Remedy: "name a program behind its #!"}
}

// interpreterOf returns the program that runs the file: none for a binary. own says that the file names it itself.
func interpreterOf(path string) (next string, own bool, err error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrPermission) {
		return "", true, nil // a binary may be executed without being read; a script then fails by itself
	}
	if err != nil {
		return "", false, err
	}
	header := make([]byte, maxHeader)
	n, err := io.ReadFull(f, header)
	closed := f.Close()
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return "", false, err
	}
	if closed != nil {
		return "", false, closed
	}
	line, _, _ := bytes.Cut(header[:n], []byte("\n"))
	if bytes.IndexByte(line, 0) >= 0 {
		return "", true, nil // a binary of whatever kind
	}
	text, isScript := strings.CutPrefix(string(line), "#!")
	words := strings.Fields(text)
	if !isScript || len(words) == 0 {
		return shell, false, nil
	}
	if filepath.Base(words[0]) == "env" {
		return throughEnv(words), true, nil
	}
	return words[0], true, nil
}

// throughEnv returns the program that "env PROGRAM" would find, or env itself.
func throughEnv(words []string) string {
	for _, w := range words[1:] {
		if strings.HasPrefix(w, "-") || strings.Contains(w, "=") {
			continue
		}
		for _, dir := range filepath.SplitList(searchPath) {
			if path := filepath.Join(dir, w); unix.Access(path, unix.X_OK) == nil {
				return path
			}
		}
	}
	return words[0]
}

// checkPath walks a path from the root directory, links resolved as the kernel does, and says what is wrong with the
// first component that others could change or exchange.
func checkPath(path string) *Problem {
	w := walk{todo: strings.Split(path, "/")}
	wrong := w.enter("/")
	for wrong == nil && len(w.todo) > 0 {
		wrong = w.step()
	}
	return wrong
}

// walk is how far the way along a path has come.
type walk struct {
	at    string   // without links
	open  bool     // others may write there: it is a sticky directory, where they can touch only what is theirs
	todo  []string // the components that are left
	links int
}

// step goes on by one component.
func (w *walk) step() *Problem {
	name := w.todo[0]
	w.todo = w.todo[1:]
	switch name {
	case "", ".":
		return nil
	case "..":
		return w.enter(filepath.Dir(w.at))
	}
	next := filepath.Join(w.at, name)
	stat, wrong := checkOwner(next)
	if wrong != nil {
		return wrong
	}
	kind := stat.Mode & unix.S_IFMT
	if w.open && kind != unix.S_IFDIR {
		// Others may have put it there as a hard link to something of root's.
		return &Problem{Words: fmt.Sprintf("%s lies in %s, where everybody may write", next, w.at), Remedy: "move it"}
	}
	if kind == unix.S_IFLNK {
		return w.follow(next)
	}
	return w.enter(next)
}

// follow goes on where a link points.
func (w *walk) follow(link string) *Problem {
	target, err := os.Readlink(link)
	if w.links++; err != nil || w.links > maxLinks {
		return &Problem{Words: fmt.Sprintf("the link %s leads nowhere", link)}
	}
	w.todo = append(strings.Split(target, "/"), w.todo...)
	if filepath.IsAbs(target) {
		return w.enter("/")
	}
	return nil
}

// enter goes to a directory, or to the file at the end.
func (w *walk) enter(path string) *Problem {
	stat, wrong := checkOwner(path)
	if wrong != nil {
		return wrong
	}
	w.at, w.open = path, stat.Mode&writable != 0
	if w.open && (stat.Mode&unix.S_IFMT != unix.S_IFDIR || stat.Mode&unix.S_ISVTX == 0) {
		return &Problem{Words: fmt.Sprintf("%s can be changed by others than its owner (mode %04o)", path, stat.Mode&0o7777),
			Remedy: "chmod go-w " + path}
	}
	return nil
}

// writable are the bits of a mode that let others write.
const writable = 0o022

// checkOwner looks at one component: root or we must own it.
func checkOwner(path string) (unix.Stat_t, *Problem) {
	var stat unix.Stat_t
	if err := unix.Lstat(path, &stat); err != nil {
		return stat, &Problem{Words: fmt.Sprintf("%s: %v", path, err), Remedy: "look at the path"}
	}
	if stat.Uid != 0 && int(stat.Uid) != os.Getuid() {
		return stat, &Problem{Words: fmt.Sprintf("%s belongs to user %d, who could change what root runs", path, stat.Uid),
			Remedy: "chown -h root " + path}
	}
	return stat, nil
}
