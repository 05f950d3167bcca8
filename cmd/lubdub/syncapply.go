package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lubdub/internal/config"
)

// stagingPrefix begins the name of a directory beside the configuration, where
// what comes is checked before it replaces anything.
const stagingPrefix = ".sync-"

// staleStaging is the age of one that was left behind by a sync that broke off.
const staleStaging = time.Hour

// stage makes a directory for what comes, on the same file system as what it replaces.
func (n thisNode) stage() (string, error) {
	if err := os.MkdirAll(n.dir, 0o755); err != nil {
		return "", err
	}
	old, err := filepath.Glob(filepath.Join(n.dir, stagingPrefix+"*"))
	if err != nil {
		return "", err
	}
	for _, dir := range old {
		if info, err := os.Lstat(dir); err == nil && time.Since(info.ModTime()) > staleStaging {
			if err := os.RemoveAll(dir); err != nil {
				return "", err
			}
		}
	}
	return os.MkdirTemp(n.dir, stagingPrefix) // mode 0700
}

func (n thisNode) discard(staging string) error {
	if err := n.isStaging(staging); err != nil {
		return err
	}
	return os.RemoveAll(staging)
}

// isStaging makes sure that a directory is one that stage made.
func (n thisNode) isStaging(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() || filepath.Dir(dir) != n.dir || !strings.HasPrefix(filepath.Base(dir), stagingPrefix) {
		return fmt.Errorf("%s is not a directory for sync", dir)
	}
	return nil
}

// apply checks what came as 'lubdub check' does, and then puts it in its place:
// all of it, or nothing. The staging directory goes in any case.
func (n thisNode) apply(ctx context.Context, q syncRequest) (words []string, err error) {
	if err := n.isStaging(q.Staging); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(q.Staging)) }()
	var names []string
	for _, name := range settingsNames() {
		if _, ok := q.After[name]; ok {
			names = append(names, name)
		}
	}
	if len(names) != len(q.After) {
		return nil, errors.New("sync replaces only the files of the configuration")
	}
	for _, name := range names {
		if err := n.isWhatWasShown(q, name); err != nil {
			return nil, err
		}
	}
	for _, name := range append(settingsNames(), "nodeinfo") {
		if slices.Contains(names, name) {
			continue
		}
		if err := os.Link(filepath.Join(n.dir, name), filepath.Join(q.Staging, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	report, good, err := n.check(ctx, q.Staging)
	if err != nil {
		return nil, err
	}
	if !good {
		return nil, fmt.Errorf("refused, and nothing is changed: with these files lubdub check says\n%s", report)
	}
	if report != "" {
		words = strings.Split(strings.TrimSuffix(report, "\n"), "\n")
	}
	return words, n.replace(q.Staging, names)
}

// isWhatWasShown compares what came, and what it replaces, with what the operator has seen.
func (n thisNode) isWhatWasShown(q syncRequest, name string) error {
	came := filepath.Join(q.Staging, name)
	if info, err := os.Lstat(came); err != nil || !info.Mode().IsRegular() {
		return fmt.Errorf("%s did not arrive", name)
	}
	if name == authkeysName {
		if err := errors.Join(os.Chmod(came, 0o600), os.Chown(came, os.Geteuid(), os.Getegid())); err != nil {
			return err
		}
	}
	fresh, err := readSettings(came, q.Nonce)
	if err != nil {
		return err
	}
	if fresh.Sum != q.After[name] {
		return fmt.Errorf("%s did not arrive as it was shown: it was changed meanwhile; compare again", name)
	}
	before, err := readSettings(filepath.Join(n.dir, name), q.Nonce)
	if err != nil {
		return err
	}
	if before.Sum != q.Before[name] {
		return fmt.Errorf("%s was changed here since it was compared; compare again", name)
	}
	return nil
}

// check is 'lubdub check' of the files in staging as if they were in their place.
func (n thisNode) check(ctx context.Context, staging string) (report string, good bool, err error) {
	loaded, problems, err := n.load(staging, n.node)
	if err != nil {
		return "", false, err
	}
	if loaded != nil {
		loaded.Dir = n.dir // for resource.d
	}
	c := examine(loaded, problems)
	if loaded != nil {
		c.agents(ctx, loaded)
		c.fences(ctx, loaded)
		n.interfacesOf(loaded, &c)
	}
	c.conclude(loaded)
	c.Protection, c.Agents, c.Fences = nil, nil, nil
	if c.Good {
		problems = slices.DeleteFunc(problems, func(p config.Problem) bool { return p.Severity == config.Notice })
		c.Problems = slices.DeleteFunc(c.Problems, func(p found) bool { return p.Severity == config.Notice.String() })
		c.Summary = ""
	}
	var text bytes.Buffer
	if err := c.print(&text, problems); err != nil {
		return "", false, err
	}
	return strings.ReplaceAll(strings.TrimLeft(text.String(), "\n"), staging, n.dir), c.Good, nil
}

// interfacesOf refuses files that name an interface which this node does not have,
// and which its own files did not name: they would be the other node's.
func (n thisNode) interfacesOf(loaded *config.Loaded, c *checked) {
	opts, err := n.options(n.node)
	if err != nil {
		return
	}
	before, _, _ := n.load(n.dir, n.node)
	known := func(name string) bool {
		return name == "" || slices.ContainsFunc(opts.Interfaces, func(i config.Interface) bool { return i.Name == name }) || slices.Contains(interfaces(before), name)
	}
	for _, name := range interfaces(loaded) {
		if !known(name) {
			c.add(config.Error, n.dir, fmt.Sprintf("these files name the interface %s, and this node has none of that name", name),
				"leave interfaces out of haresources: lubdub finds them by the address; write the links of this node into its own ha.cf")
		}
	}
}

// interfaces are those that a configuration names or has found.
func interfaces(loaded *config.Loaded) (out []string) {
	if loaded == nil {
		return nil
	}
	for _, l := range loaded.Links {
		out = append(out, l.Interface)
	}
	for _, g := range loaded.Config.Groups {
		for _, r := range g.Resources {
			out = append(out, r.Interface)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// replace puts files in their place. When one cannot be put there, the others go back.
func (n thisNode) replace(staging string, names []string) error {
	if err := syncFiles(staging, names); err != nil {
		return err
	}
	for i, name := range names {
		place, old := filepath.Join(n.dir, name), filepath.Join(staging, "old-"+name)
		err := os.Link(place, old)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		if err == nil {
			err = os.Rename(filepath.Join(staging, name), place)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("replace %s: %w; nothing is changed", place, err), n.putBack(staging, names[:i]))
		}
	}
	dir, err := os.Open(n.dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// putBack undoes what replace has done.
func (n thisNode) putBack(staging string, names []string) (err error) {
	for _, name := range names {
		place, old := filepath.Join(n.dir, name), filepath.Join(staging, "old-"+name)
		if _, lost := os.Lstat(old); errors.Is(lost, fs.ErrNotExist) {
			err = errors.Join(err, os.Remove(place))
			continue
		}
		err = errors.Join(err, os.Rename(old, place))
	}
	return err
}

// syncFiles makes sure that files are on the disk before they replace others.
func syncFiles(dir string, names []string) error {
	for _, name := range names {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}
