package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// maxWatchedFile bounds a watched file: these are settings and certificates.
const maxWatchedFile = 8 << 20

// Load reads the files of a directory and parses them. It is the only function
// of the package that touches the disk.
func Load(dir string, opts Options) (*Loaded, Problems) {
	files := Files{Dir: dir, findings: map[string]finding{}, modes: map[string]fs.FileMode{}, Watched: map[string][]byte{}}
	for name, into := range map[string]*[]byte{"ha.cf": &files.HaCF, "haresources": &files.Haresources, "authkeys": &files.Authkeys,
		"lubdub.conf": &files.LubdubConf, "nodeinfo": &files.Nodeinfo} {
		path := filepath.Join(dir, name)
		data, stat, err := readFile(path, maxFile+1)
		*into = data
		if err == nil {
			files.modes[name] = stat.Mode().Perm()
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			files.findings[name] = finding{"the file cannot be read: " + err.Error(), "it must be a plain file that root may read", true}
		case name == "authkeys":
			if f, bad := looseKeys(path, stat); bad {
				files.findings[name] = f
			}
		}
	}
	for _, path := range watchedPaths(files) {
		if data, _, err := readFile(path, maxWatchedFile+1); err == nil && len(data) <= maxWatchedFile {
			files.Watched[path] = data
		}
	}
	return Parse(files, opts)
}

// readFile reads at most limit bytes of a plain file. It never waits, as the
// opening of a pipe would.
func readFile(path string, limit int64) ([]byte, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !stat.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("read %s: not a plain file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return nil, nil, err
	}
	return data, stat, nil
}

// looseKeys says when others than root may read or write the keys.
func looseKeys(path string, stat fs.FileInfo) (finding, bool) {
	if mode := stat.Mode().Perm(); mode&0o077 != 0 {
		return finding{fmt.Sprintf("the mode is %04o: others may read or change the keys", mode), "chmod 600 " + path, false}, true
	}
	if owner, ok := stat.Sys().(*syscall.Stat_t); ok && owner.Uid != 0 && int(owner.Uid) != os.Geteuid() {
		return finding{fmt.Sprintf("the file belongs to user %d, who may read or change the keys", owner.Uid), "chown root " + path, false}, true
	}
	return finding{}, false
}

// watchedPaths are the files that lubdub.conf wants to be watched. What is
// wrong with the lines is reported when they are parsed.
func watchedPaths(files Files) []string {
	var out []string
	for _, st := range statements(newSource(nameLubdubConf, "", "", files.LubdubConf, &report{})) {
		for _, w := range st.args {
			if st.key.text == "watchfile" && filepath.IsAbs(w.text) && len(out) < maxWatched {
				out = append(out, w.text)
			}
		}
	}
	return out
}
