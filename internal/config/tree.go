package config

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// The limits of a tree.
const (
	// MaxEntries bounds the names of a tree: each costs some hundred bytes of memory, and a look at each interval.
	MaxEntries = 200_000
	maxLevels  = 64      // each holds a directory open while what is below it is read
	chunk      = 1 << 20 // what is hashed between two looks at the clock
)

// Entry is one name of a watched tree, as far as it must be equal.
type Entry struct {
	Path         string // below the root; "." is the root, and a watched file itself
	Kind         byte   // f, d, l; p, s, c or b for what is never opened
	Mode         uint32 // permissions, with setuid, setgid and sticky; 0 for a symlink
	Owner, Group string // by name, as rsync maps them; by number where there is no name
	Size         int64  // of a file
	Modified     int64  // nanoseconds; shown, but it does not count
	Sum          string // the content's digest, the link's target, or the device's number
}

// Scan says how a file or tree is looked at.
type Scan struct {
	Cache *Cache                           // nil: every content is read
	Pace  func(context.Context, int) error // called for each so many bytes of content that were read; nil: as fast as it goes
	Each  func(Entry)                      // is told every entry; may be nil
	Dir   func(full string)                // is told every directory that was looked into; may be nil
	Now   func() time.Time                 // nil: the wall clock, which file systems go by
	most  int                              // names; 0: MaxEntries
}

// Scanned is what a look found.
type Scanned struct {
	Sum       string // of everything that counts; "missing" when there is nothing
	Entries   int
	Bytes     int64  // of content
	Read      int64  // of them, those that the cache did not know
	Unsettled bool   // something changed while it was looked at: look again
	Trouble   string // what could not be read; empty: nothing
}

// fileKey tells one state of a file from another without reading it. Nobody but
// the kernel writes the time of the last change of the inode.
type fileKey struct {
	dev, ino, size uint64
	mtime, ctime   int64
}

// Cache remembers the digests of contents between two scans of one tree.
type Cache struct{ known, next map[fileKey]string }

// racy is how old a change must be before its time tells it from the next one:
// some file systems count whole seconds, or two.
const racy = 3 * time.Second

// scanner is one scan.
type scanner struct {
	Scan
	ctx    context.Context
	w      Watch
	hash   hash.Hash
	out    Scanned
	dev    uint64
	names  map[string]string // of users and groups, by kind and number
	buffer []byte
}

// Run looks at a file or tree. An error means that there is no digest: the limits
// were met, or ctx has ended. What is missing is a result, and no error.
func (s Scan) Run(ctx context.Context, w Watch) (Scanned, error) {
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.most == 0 {
		s.most = MaxEntries
	}
	if s.Cache == nil {
		s.Cache = &Cache{}
	}
	s.Cache.next = map[fileKey]string{}
	r := &scanner{Scan: s, ctx: ctx, w: w, hash: sha256.New(), names: map[string]string{}, buffer: make([]byte, chunk)}
	err := r.start()
	if errors.Is(err, fs.ErrNotExist) && r.out.Entries == 0 {
		return Scanned{Sum: missing, Trouble: w.Path + ": there is no such file or directory"}, nil
	}
	if err != nil {
		return Scanned{}, err
	}
	s.Cache.known, s.Cache.next = s.Cache.next, nil
	r.out.Sum = hex.EncodeToString(r.hash.Sum(nil)[:digestSize])
	return r.out, nil
}

// start looks at the root, which may be a symlink to it.
func (s *scanner) start() error {
	info, err := os.Stat(s.w.Path)
	switch {
	case err != nil:
		return err
	case s.w.Tree && !info.IsDir():
		return fmt.Errorf("%s is not a directory: write watchfile for it", s.w.Path)
	case !s.w.Tree && !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a plain file: write watchtree for a directory", s.w.Path)
	}
	if !s.w.Tree {
		f, err := os.OpenFile(s.w.Path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		return s.content(f, ".", info)
	}
	root, err := os.OpenRoot(s.w.Path)
	if err != nil {
		return err
	}
	defer root.Close()
	if info, err = root.Stat("."); err != nil {
		return err
	}
	s.dev = statOf(info).Dev
	s.add(s.entry(".", info))
	return s.walk(root, "", 0)
}

// walk looks at what a directory holds, in the order of the names' bytes.
func (s *scanner) walk(dir *os.Root, below string, level int) error {
	if s.Dir != nil {
		s.Dir(path.Join(s.w.Path, below))
	}
	if level > maxLevels {
		return fmt.Errorf("%s is more than %d directories deep at %s", s.w.Path, maxLevels, quote(below))
	}
	names, err := s.list(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		at := path.Join(below, name)
		if s.w.excludes(at) {
			continue
		}
		if err := s.ctx.Err(); err != nil {
			return err
		}
		if s.out.Entries >= s.most {
			return fmt.Errorf("%s has more than %d names: exclude= what does not matter, or watch smaller trees", s.w.Path, s.most)
		}
		if err := s.look(dir, name, at, level); err != nil {
			return err
		}
	}
	return nil
}

// list are the names in a directory, sorted.
func (s *scanner) list(dir *os.Root) ([]string, error) {
	f, err := dir.Open(".")
	if err != nil {
		return nil, s.unreadable(err)
	}
	defer f.Close()
	var names []string
	for len(names) <= s.most {
		some, err := f.Readdirnames(4096)
		names = append(names, some...)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, s.unreadable(err)
		}
	}
	slices.Sort(names)
	return names, nil
}

// look looks at one name of a directory.
func (s *scanner) look(dir *os.Root, name, at string, level int) error {
	info, err := dir.Lstat(name)
	if err != nil {
		return s.gone(err)
	}
	switch e := s.entry(at, info); e.Kind {
	case 'd':
		return s.descend(dir, name, e, info, level)
	case 'f':
		if sum, known := s.Cache.known[keyOf(info)]; known {
			s.file(e, keyOf(info), sum)
			return nil
		}
		f, err := dir.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
		if err != nil {
			return s.gone(err)
		}
		defer f.Close()
		return s.content(f, at, info)
	case 'l':
		if e.Sum, err = dir.Readlink(name); err != nil {
			return s.gone(err)
		}
		s.add(e)
	default:
		s.add(e)
	}
	return nil
}

// descend looks into a directory. Another file system that is mounted there is
// not entered: it is not part of the tree.
func (s *scanner) descend(dir *os.Root, name string, e Entry, info fs.FileInfo, level int) error {
	sub, err := dir.OpenRoot(name)
	if err != nil {
		return s.gone(err)
	}
	defer sub.Close()
	now, err := sub.Stat(".")
	if err != nil || !os.SameFile(now, info) && statOf(now).Dev == s.dev {
		s.out.Unsettled = true // it was exchanged between the two looks
		return nil
	}
	s.add(e)
	if statOf(now).Dev != s.dev {
		return nil
	}
	return s.walk(sub, e.Path, level+1)
}

// content adds a plain file, and reads it unless its digest is known.
func (s *scanner) content(f *os.File, at string, seen fs.FileInfo) error {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || !os.SameFile(info, seen) {
		s.out.Unsettled = true
		return nil
	}
	e := s.entry(at, info)
	key := keyOf(info)
	sum, known := s.Cache.known[key]
	if known {
		s.file(e, key, sum)
		return nil
	}
	if sum, err = s.read(f, info.Size()); err != nil {
		if s.ctx.Err() != nil {
			return err
		}
		return s.unreadable(err)
	}
	after, err := f.Stat()
	settled := err == nil && keyOf(after) == key
	s.out.Unsettled = s.out.Unsettled || !settled
	if age := s.Now().Sub(time.Unix(0, max(key.mtime, key.ctime))); !settled || age <= racy && age >= -racy {
		key = fileKey{} // the next change may look like this one: it is not remembered
	}
	s.file(e, key, sum)
	return nil
}

// file adds a plain file whose content is known.
func (s *scanner) file(e Entry, key fileKey, sum string) {
	if key != (fileKey{}) {
		s.Cache.next[key] = sum
	}
	e.Sum = sum
	s.out.Bytes += e.Size
	s.add(e)
}

// read is the digest of a content, at most of the length that it had.
func (s *scanner) read(f io.Reader, size int64) (string, error) {
	sum := sha256.New()
	for left := size; left > 0; {
		n, err := io.ReadFull(f, s.buffer[:min(left, chunk)])
		sum.Write(s.buffer[:n])
		left -= int64(n)
		s.out.Read += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break // it has become shorter: the caller sees that it changed
		}
		if err == nil && s.Pace != nil {
			err = s.Pace(s.ctx, n)
		}
		if err == nil {
			err = s.ctx.Err()
		}
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:2*digestSize]), nil
}

// gone passes over what vanished or was exchanged between two looks.
func (s *scanner) gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENXIO) {
		s.out.Unsettled = true
		return nil
	}
	return s.unreadable(err)
}

// unreadable notes what could not be read. It does not count, and is said.
func (s *scanner) unreadable(err error) error {
	if s.out.Trouble == "" {
		s.out.Trouble = fmt.Sprintf("%s: %v", s.w.Path, err)
	}
	return nil
}

// entry is what of a file must be equal, but for its content.
func (s *scanner) entry(at string, info fs.FileInfo) Entry {
	st := statOf(info)
	e := Entry{Path: at, Mode: st.Mode & 0o7777, Owner: s.nameOf("u", st.Uid), Group: s.nameOf("g", st.Gid), Modified: info.ModTime().UnixNano()}
	switch st.Mode & syscall.S_IFMT {
	case syscall.S_IFREG:
		e.Kind, e.Size = 'f', st.Size
	case syscall.S_IFDIR:
		e.Kind = 'd'
	case syscall.S_IFLNK:
		e.Kind, e.Mode = 'l', 0
	case syscall.S_IFIFO:
		e.Kind = 'p'
	case syscall.S_IFSOCK:
		e.Kind = 's'
	case syscall.S_IFCHR:
		e.Kind, e.Sum = 'c', strconv.FormatUint(uint64(st.Rdev), 16)
	default:
		e.Kind, e.Sum = 'b', strconv.FormatUint(uint64(st.Rdev), 16)
	}
	return e
}

// add counts an entry into the digest. No name and no target has a NUL.
func (s *scanner) add(e Entry) {
	fmt.Fprintf(s.hash, "%c\x00%s\x00%o\x00%s\x00%s\x00%s\x00", e.Kind, e.Path, e.Mode, e.Owner, e.Group, e.Sum)
	s.out.Entries++
	if s.Each != nil {
		s.Each(e)
	}
}

// nameOf is the name of a user or group, or its number where it has none.
func (s *scanner) nameOf(kind string, id uint32) string {
	number := strconv.FormatUint(uint64(id), 10)
	if name, ok := s.names[kind+number]; ok {
		return name
	}
	name := number
	if kind == "u" {
		if u, err := user.LookupId(number); err == nil {
			name = u.Username
		}
	} else if g, err := user.LookupGroupId(number); err == nil {
		name = g.Name
	}
	s.names[kind+number] = name
	return name
}

func statOf(info fs.FileInfo) *syscall.Stat_t { return info.Sys().(*syscall.Stat_t) }

func keyOf(info fs.FileInfo) fileKey {
	st := statOf(info)
	return fileKey{uint64(st.Dev), st.Ino, uint64(st.Size), syscall.TimespecToNsec(st.Mtim), syscall.TimespecToNsec(st.Ctim)}
}
