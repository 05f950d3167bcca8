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

// Load reads the files of a directory and parses them. What is watched is not
// looked at here: it may be large, or on a disk that does not answer (see Scan).
func Load(dir string, opts Options) (*Loaded, Problems) {
	files := Files{Dir: dir, findings: map[string]finding{}, modes: map[string]fs.FileMode{}}
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
