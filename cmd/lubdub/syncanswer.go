package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"lubdub/internal/config"
)

// maxSettings bounds a file of the configuration, as package config does.
const maxSettings = 1 << 20

// answer does what is asked. What is refused changes nothing.
func (n thisNode) answer(ctx context.Context, q syncRequest) syncAnswer {
	dir, err := filepath.Abs(n.dir)
	if err != nil {
		return syncAnswer{Refused: err.Error()}
	}
	n.dir = dir
	a := syncAnswer{Version: release, Dir: dir}
	switch q.Verb {
	case syncList:
		err = n.list(ctx, q, &a)
	case syncStage:
		a.Staging, err = n.stage()
	case syncApply:
		a.Words, err = n.apply(ctx, q)
	case syncDiscard:
		err = n.discard(q.Staging)
	case syncRoom, syncRemove:
		err = n.clear(q, &a)
	default:
		err = fmt.Errorf("lubdub %s does not know how to %q", release, q.Verb)
	}
	if err != nil {
		a.Refused = err.Error()
	}
	return a
}

// list says what there is.
func (n thisNode) list(ctx context.Context, q syncRequest, a *syncAnswer) error {
	loaded, _, err := n.load(n.dir, n.node)
	if err != nil {
		return err
	}
	if loaded != nil {
		a.Node, a.Watches = loaded.Config.Self, loaded.Watched
	} else if a.Node, err = n.ownName(); err != nil { // the files here are wrong, or not there: that may be the reason to ask
		return err
	}
	_, lookErr := exec.LookPath("rsync")
	a.Rsync = lookErr == nil
	a.Settings = map[string]settingsFile{}
	for _, name := range settingsNames() {
		f, err := readSettings(filepath.Join(n.dir, name), q.Nonce)
		if err != nil {
			return err
		}
		if name == authkeysName {
			f.Text = nil
		}
		a.Settings[name] = f
	}
	if !q.Trees {
		return nil
	}
	for _, w := range q.Watches {
		l, err := listTree(ctx, w, q.Known[w.Path])
		if err != nil {
			return err
		}
		a.Trees = append(a.Trees, l)
	}
	return nil
}

// ownName is this node's name when its configuration does not say so.
func (n thisNode) ownName() (string, error) {
	if n.node != "" {
		return n.node, nil
	}
	return n.Hostname()
}

// readSettings reads a file of the configuration.
func readSettings(path string, nonce []byte) (settingsFile, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return settingsFile{}, nil
	}
	if err != nil {
		return settingsFile{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return settingsFile{}, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSettings {
		return settingsFile{}, fmt.Errorf("%s is not a plain file of at most %s", path, size(maxSettings))
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSettings))
	if err != nil {
		return settingsFile{}, err
	}
	st := info.Sys().(*syscall.Stat_t)
	owner := strconv.FormatUint(uint64(st.Uid), 10)
	if u, err := user.LookupId(owner); err == nil {
		owner = u.Username
	}
	return settingsFile{There: true, Text: text, Sum: noncedSum(nonce, text), Mode: info.Mode().Perm(), Owner: owner, Modified: info.ModTime()}, nil
}

// noncedSum says whether two texts are equal, and nothing else to who has not the nonce.
func noncedSum(nonce, text []byte) string {
	h := hmac.New(sha256.New, nonce)
	h.Write(text)
	return hex.EncodeToString(h.Sum(nil))
}

// listTree lists what is watched; without its names when it has the digest that the other node knows.
func listTree(ctx context.Context, w config.Watch, known string) (listing, error) {
	l := listing{Path: w.Path, Real: w.Path}
	if real, err := filepath.EvalSymlinks(w.Path); err == nil {
		l.Real = real
	}
	found, err := config.Scan{Each: func(e config.Entry) { l.Entries = append(l.Entries, e) }}.Run(ctx, w)
	if ctx.Err() != nil {
		return l, ctx.Err()
	}
	if err != nil {
		return listing{Path: w.Path, Real: l.Real, Wrong: err.Error()}, nil
	}
	l.Sum, l.Count, l.Trouble = found.Sum, found.Entries, found.Trouble
	if known != "" && known == l.Sum {
		l.Entries = nil
	}
	return l, nil
}

// clear removes names from a tree that lubdub.conf lists here: those that are to
// be something else (room), or are no longer there on the other node (remove). What
// is not empty, for it holds what is excluded, stays.
func (n thisNode) clear(q syncRequest, a *syncAnswer) error {
	w, err := n.listed(q.Watches)
	if err != nil {
		return err
	}
	if q.Verb == syncRoom {
		dir := w.Path
		if !w.Tree {
			dir = filepath.Dir(w.Path)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	a.Root = w.Path
	if real, err := filepath.EvalSymlinks(w.Path); err == nil {
		a.Root = real
	}
	if len(q.Names) == 0 {
		return nil
	}
	if !w.Tree {
		return fmt.Errorf("%s is a file: nothing is removed from it", w.Path)
	}
	root, err := os.OpenRoot(a.Root)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, name := range q.Names {
		switch err := root.Remove(name); {
		case errors.Is(err, syscall.ENOTEMPTY), errors.Is(err, syscall.EEXIST):
			a.Words = append(a.Words, fmt.Sprintf("%s stays: it holds what is not compared (exclude=, or another file system)", filepath.Join(w.Path, name)))
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("remove %s: %w", filepath.Join(w.Path, name), err)
		}
	}
	return nil
}

// listed is the one tree of a request, which this node's own lubdub.conf must list: nothing else is ever written to.
func (n thisNode) listed(watches []config.Watch) (config.Watch, error) {
	if len(watches) != 1 {
		return config.Watch{}, fmt.Errorf("%d trees at once", len(watches))
	}
	loaded, _, err := n.load(n.dir, n.node)
	if err != nil {
		return config.Watch{}, err
	}
	if loaded == nil {
		return config.Watch{}, errors.New("the configuration here has errors: lubdub check")
	}
	for _, w := range loaded.Watched {
		if w.Path == watches[0].Path && w.Tree == watches[0].Tree && slices.Equal(w.Exclude, watches[0].Exclude) {
			return w, nil
		}
	}
	return config.Watch{}, fmt.Errorf("%s is not listed in lubdub.conf here in the same way: bring lubdub.conf over first (lubdub sync lubdub.conf)", watches[0].Path)
}
