//go:build integration && linux

package telemetry_test

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// pack writes the guests' root file system.
func (l *lab) pack(t *testing.T, tool, module string) {
	t.Helper()
	var a archive
	for _, name := range []string{"bin", "modules", "usr", "usr/bin", "usr/share", "usr/share/misc", "etc", "root", "lib64"} {
		a.add(name, fs.ModeDir|0o755, nil)
	}
	for _, name := range []string{"init", "measure.sh", "cut.sh", "after.sh"} {
		a.file(t, name, testdata(t, name))
	}
	a.file(t, "bin/busybox", filepath.Join(l.packages, "bin/busybox"))
	a.file(t, "usr/bin/bh-telemetry", tool)
	a.file(t, "modules/bhtruth.ko", module)
	a.add("usr/bin/sudo", 0o755, []byte("#!/bin/sh\nexec \"$@\"\n")) // the guest has none; only root calls it
	a.add("etc/passwd", 0o644, []byte("root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n"))
	a.add("etc/group", 0o644, []byte("root:x:0:\nuser:x:1000:\n"))
	ipmitool := filepath.Join(l.packages, "usr/bin/ipmitool")
	a.file(t, "usr/bin/ipmitool", ipmitool)
	a.file(t, "usr/share/misc/enterprise-numbers.txt", filepath.Join(l.packages, "usr/share/misc/enterprise-numbers.txt"))
	for _, library := range l.libraries(t, ipmitool) {
		a.file(t, "lib64/"+filepath.Base(library), library)
	}
	order := ""
	for _, m := range l.modules(t) {
		file, _, _ := strings.Cut(m, " ")
		a.file(t, "modules/"+filepath.Base(file), file)
		order += filepath.Base(file) + strings.TrimPrefix(m, file) + "\n"
	}
	a.add("modules/order", 0o644, []byte(order))
	a.add("TRAILER!!!", 0, nil)
	l.initrd = filepath.Join(l.work, "initrd")
	if err := os.WriteFile(l.initrd, a.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// libraries are those that a program of the packages is linked with.
func (l *lab) libraries(t *testing.T, program string) (out []string) {
	t.Helper()
	cmd := exec.Command("ldd", program)
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+filepath.Join(l.packages, "usr/lib/x86_64-linux-gnu"))
	text, err := cmd.Output()
	if err != nil {
		t.Skipf("ldd %s: %v", program, err)
	}
	for field := range strings.FieldsSeq(string(text)) {
		if filepath.IsAbs(field) {
			out = append(out, field)
		}
	}
	if strings.Contains(string(text), "not found") {
		t.Skipf("a library of ipmitool is not here:\n%s", text)
	}
	return out
}

// modules are the files of kernelModules, each after those that it depends on, with its parameters.
func (l *lab) modules(t *testing.T) (out []string) {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(filepath.Join(l.packages, "lib/modules", l.release, "kernel"), func(path string, _ fs.DirEntry, err error) error {
		if name, ok := strings.CutSuffix(filepath.Base(path), ".ko"); ok {
			files[strings.ReplaceAll(name, "-", "_")] = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	var add func(name, parameters string)
	add = func(name, parameters string) {
		file, ok := files[strings.ReplaceAll(name, "-", "_")]
		if seen[name] || !ok { // built in, if it is not there
			return
		}
		seen[name] = true
		for _, needed := range dependencies(t, file) {
			add(needed, "")
		}
		out = append(out, strings.TrimSpace(file+" "+parameters))
	}
	for _, m := range kernelModules {
		name, parameters, _ := strings.Cut(m, " ")
		add(name, parameters)
	}
	return out
}

// dependencies are the modules that a module says it depends on.
func dependencies(t *testing.T, file string) []string {
	t.Helper()
	module, err := elf.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer module.Close()
	info, err := module.Section(".modinfo").Data()
	if err != nil {
		t.Fatal(err)
	}
	for field := range strings.SplitSeq(string(info), "\x00") {
		if names, ok := strings.CutPrefix(field, "depends="); ok && names != "" {
			return strings.Split(names, ",")
		}
	}
	return nil
}

// archive is a file system as Linux unpacks it (Documentation/driver-api/early-userspace/buffer-format.rst).
type archive struct {
	bytes.Buffer
	inode int
}

func (a *archive) add(name string, mode fs.FileMode, data []byte) {
	kind := uint32(0o100000)
	if mode.IsDir() {
		kind = 0o040000
	}
	a.inode++
	fmt.Fprintf(a, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", a.inode, kind|uint32(mode.Perm()), 0, 0, 1, 0,
		len(data), 0, 0, 0, 0, len(name)+1, 0)
	a.WriteString(name + "\x00")
	a.pad()
	a.Write(data)
	a.pad()
}

func (a *archive) pad() { a.Write(make([]byte, -a.Len()&3)) }

func (a *archive) file(t *testing.T, name, from string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	a.add(name, 0o755, data)
}
