package test

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// writeInitrd writes the guest's whole file system: this test as /init, the program, the configuration, and the kernel's modules in
// the order in which they are loaded, each with its parameters.
func writeInitrd(path, kernel string, modules []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var image bytes.Buffer
	for _, dir := range []string{"dev", "proc", "sys", "run", "state", "ha.d", "peer.d", "modules"} {
		entry(&image, dir, fs.ModeDir|0o755, nil)
	}
	for name, from := range map[string]string{"init": self, "lubdub": lubdub} {
		program, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		entry(&image, name, 0o755, program)
	}
	for name, text := range guestFiles {
		entry(&image, "ha.d/"+name, 0o600, []byte(text))
		entry(&image, "peer.d/"+name, 0o600, []byte(strings.ReplaceAll(text, "watchdog /dev/watchdog\n", "")))
	}
	load, err := closure(kernel, append([]string{"crc32c_generic", "veth", "nf_tables", "nft_ct"}, modules...))
	if err != nil {
		return err
	}
	for i, m := range load {
		entry(&image, fmt.Sprintf("modules/%02d.ko", i), 0o600, m.file)
		entry(&image, fmt.Sprintf("modules/%02d.parameters", i), 0o600, []byte(m.parameters))
	}
	entry(&image, "TRAILER!!!", 0, nil)
	return os.WriteFile(path, image.Bytes(), 0o600)
}

// guestFiles are the configuration of a pair. In most stories the other node is not there.
var guestFiles = map[string]string{
	"ha.cf":       "node alpha beta\nkeepalive 1\ndeadtime 5\nwarntime 3\ninitdead 10\nbcast eth0\nauto_failback off\nwatchdog /dev/watchdog\n",
	"haresources": "alpha IPaddr2::192.0.2.100/24/eth0\n",
	"authkeys":    "auth 1\n1 sha256 of-a-guest-that-nobody-else-hears\n",
}

// entry appends a file to an archive of cpio's newc format, as the kernel's initramfs takes it.
func entry(out *bytes.Buffer, name string, mode fs.FileMode, content []byte) {
	const regular, directory = 0o100000, 0o040000
	bits := uint32(mode.Perm()) | regular
	if mode.IsDir() {
		bits = uint32(mode.Perm()) | directory
	}
	fields := []uint32{uint32(out.Len()), bits, 0, 0, 1, 0, uint32(len(content)), 0, 0, 0, 0, uint32(len(name) + 1), 0}
	out.WriteString("070701")
	for _, f := range fields {
		fmt.Fprintf(out, "%08X", f)
	}
	pad := func() {
		for out.Len()%4 != 0 {
			out.WriteByte(0)
		}
	}
	out.WriteString(name + "\x00")
	pad()
	out.Write(content)
	pad()
}

// module is one of the kernel's.
type module struct {
	file       []byte
	parameters string
}

// closure finds modules and all that they need, in the order in which they can be loaded.
func closure(kernel string, wanted []string) ([]module, error) {
	files := map[string]string{}
	err := filepath.WalkDir(filepath.Join(kernel, "lib", "modules"), func(path string, _ fs.DirEntry, err error) error {
		if name, ok := strings.CutSuffix(filepath.Base(path), ".ko"); ok {
			files[strings.ReplaceAll(name, "-", "_")] = path
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var out []module
	loaded := map[string]bool{"": true}
	var load func(name, parameters string) error
	load = func(name, parameters string) error {
		if loaded[name] {
			return nil
		}
		loaded[name] = true
		if files[name] == "" {
			return fmt.Errorf("the kernel's package has no module %s", name)
		}
		file, err := os.ReadFile(files[name])
		if err != nil {
			return err
		}
		needs, err := needed(file)
		if err != nil {
			return fmt.Errorf("read %s: %w", files[name], err)
		}
		for _, n := range needs {
			if err := load(n, ""); err != nil {
				return err
			}
		}
		out = append(out, module{file, parameters})
		return nil
	}
	for _, w := range wanted {
		name, parameters, _ := strings.Cut(w, " ")
		if err := load(name, parameters); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// needed are the modules that a module says it depends on.
func needed(file []byte) ([]string, error) {
	e, err := elf.NewFile(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	section := e.Section(".modinfo")
	if section == nil {
		return nil, errors.New("no section .modinfo")
	}
	text, err := section.Data()
	if err != nil {
		return nil, err
	}
	for line := range strings.SplitSeq(string(text), "\x00") {
		if names, ok := strings.CutPrefix(line, "depends="); ok {
			return strings.Split(strings.ReplaceAll(names, "-", "_"), ","), nil
		}
	}
	return nil, nil
}
