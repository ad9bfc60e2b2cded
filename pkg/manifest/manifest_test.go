package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/banterhearts/bh/pkg/cli"
)

func write(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func start(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := Start(dir, "demo"); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestRecordNotesHashAndLineage(t *testing.T) {
	dir := start(t)
	in := write(t, filepath.Join(dir, "in.jsonl"), "in")
	out := write(t, filepath.Join(dir, "out.parquet"), "out")
	if err := Record(out, "bh-test", []string{"/somewhere/bh-test", "-o", out}, []string{in, "-"}); err != nil {
		t.Fatal(err)
	}
	m, err := Read(dir)
	if err != nil || len(m.Artifacts) != 1 {
		t.Fatalf("saw %+v, %v", m, err)
	}
	a := m.Artifacts[0]
	// Hashes of "out" and "in" without a newline, by sha256sum of coreutils 9.1.
	const hashOut, hashIn = "762069bc07a6e1b5df123a5ae7bd91c10daa04694fbaa17fba0cd6a8dcce8f22", "582967534d0f909d196b97f9e6921342777aea87b46fa52df165389db1fb8ccf"
	if a.Path != "out.parquet" || a.SHA256 != hashOut || a.Bytes != 3 {
		t.Errorf("saw %+v", a)
	}
	if len(a.MadeFrom) != 2 || a.MadeFrom[0] != (Source{Path: "in.jsonl", SHA256: hashIn}) || a.MadeFrom[1] != (Source{Path: "-"}) {
		t.Errorf("lineage: saw %+v", a.MadeFrom)
	}
	if a.Command[0] != "bh-test" {
		t.Errorf("command: saw %v, want no folder of the program", a.Command)
	}
	write(t, out, "changed")
	if err := Record(out, "bh-test", nil, nil); err != nil {
		t.Fatal(err)
	}
	if m, err = Read(dir); err != nil || len(m.Artifacts) != 1 || m.Artifacts[0].SHA256 == a.SHA256 {
		t.Errorf("a second write: saw %+v, %v, want the entry replaced", m.Artifacts, err)
	}
}

func TestRecordElsewhereDoesNothing(t *testing.T) {
	dir := t.TempDir()
	out := write(t, filepath.Join(dir, "out.csv"), "x")
	if err := Record(out, "bh-test", nil, nil); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("saw %v, %v, want out.csv alone", left, err)
	}
}

func TestRecordOfAMissingFile(t *testing.T) {
	dir := start(t)
	if err := Record(filepath.Join(dir, "none"), "bh-test", nil, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("output: saw %v", err)
	}
	out := write(t, filepath.Join(dir, "out"), "x")
	if err := Record(out, "bh-test", nil, []string{filepath.Join(dir, "none")}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("input: saw %v", err)
	}
}

// TestUpdatesDoNotLoseEachOther writes from many goroutines at once.
func TestUpdatesDoNotLoseEachOther(t *testing.T) {
	dir := start(t)
	var wg sync.WaitGroup
	const n = 20
	for i := range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := Update(dir, func(m *Manifest) error { m.Put(Artifact{Path: fmt.Sprint(i)}); return nil }); err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	m, err := Read(dir)
	if err != nil || len(m.Artifacts) != n {
		t.Errorf("saw %d artifacts, %v, want %d", len(m.Artifacts), err, n)
	}
}

func TestReadRefuses(t *testing.T) {
	for name, content := range map[string]string{"junk": "{", "other schema": `{"schema":"bh.manifest/99"}`, "empty": ""} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, FileName), content)
		if _, err := Read(dir); cli.ExitCode(err) != cli.ExitBadInput {
			t.Errorf("%s: saw %v", name, err)
		}
		if err := Update(dir, func(*Manifest) error { return nil }); err == nil {
			t.Errorf("%s: was overwritten", name)
		}
	}
}

func TestPublicLeavesOutHomeAndWorkingFolder(t *testing.T) {
	home, wd := t.TempDir(), t.TempDir()
	t.Setenv("HOME", home)
	t.Chdir(wd)
	got := Public([]string{"/usr/local/bin/bh-run", "-o", filepath.Join(wd, "results"), "--model=" + filepath.Join(home, "models/x"), wd})
	want := []string{"bh-run", "-o", "results", "--model=~/models/x", "."}
	if !slices.Equal(got, want) {
		t.Errorf("saw %v, want %v", got, want)
	}
}

// TestPublicPathTakesWholePaths: a folder whose name only begins like the working folder is another one.
func TestPublicPathTakesWholePaths(t *testing.T) {
	home, wd := t.TempDir(), t.TempDir()
	t.Setenv("HOME", home)
	t.Chdir(wd)
	for text, want := range map[string]string{
		wd + "-w/base.yaml":                   wd + "-w/base.yaml",
		wd + ".old/x and " + wd + "/x":        wd + ".old/x and x",
		"/mnt" + wd + "/x":                    "/mnt" + wd + "/x",
		home + "s/x":                          home + "s/x",
		home + "é":                            home + "é",
		"open " + wd + ": no such directory":  "open .: no such directory",
		"it is in " + home + ".":              "it is in ~.",
		wd + ":" + home + "/lib":              ".:~/lib",
		"\"" + wd + "/a\", \"" + wd + "2/a\"": "\"a\", \"" + wd + "2/a\"",
	} {
		if got := PublicPath(text); got != want {
			t.Errorf("%s: saw %s, want %s", text, got, want)
		}
	}
}

// TestCapture reads a fixture of a machine.
func TestCapture(t *testing.T) {
	root := t.TempDir()
	for name, content := range map[string]string{
		"etc/os-release":              "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n",
		"proc/sys/kernel/osrelease":   "6.1.0\n",
		"proc/cpuinfo":                "processor\t: 0\nmodel name\t: Test CPU 9000\nflags\t\t: fpu avx2 fma hypervisor avx512f\n\nprocessor\t: 1\nmodel name\t: other\n",
		"proc/meminfo":                "MemTotal:       1024 kB\nMemFree: 3 kB\n",
		"etc/machine-id":              "0123\n",
		"sys/class/dmi/id/sys_vendor": "QEMU\n", "sys/class/dmi/id/product_name": "Standard PC\n",
		"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor":      "performance\n",
		"sys/devices/system/cpu/cpu0/topology/thread_siblings_list": "0-1\n",
		"sys/devices/system/cpu/cpu1/topology/thread_siblings_list": "0-1\n",
		"proc/driver/nvidia/version":                                "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.1\nGCC\n",
		"proc/driver/nvidia/gpus/0000:01:00.0/information":          "Model: \t\t NVIDIA Test\nIRQ: 1\n",
		".dockerenv": "",
	} {
		write(t, filepath.Join(root, name), content)
	}
	e := Capture(root, "")
	for field, c := range map[string][2]string{
		"distribution": {e.Distribution, "Debian GNU/Linux 12"}, "kernel": {e.Kernel, "6.1.0"}, "cpu": {e.CPUModel, "Test CPU 9000"},
		"flags": {strings.Join(e.CPUFlags, " "), "avx2 fma avx512f"}, "governor": {e.Governor, "performance"},
		"virtualisation": {e.Virtualisation, "container in virtual machine (QEMU Standard PC)"},
		"gpu":            {strings.Join(e.GPUs, ";"), "NVIDIA Test"}, "driver": {e.GPUDriver, "NVIDIA UNIX x86_64 Kernel Module  550.1"},
	} {
		if c[0] != c[1] {
			t.Errorf("%s: saw %q, want %q", field, c[0], c[1])
		}
	}
	if e.MemoryBytes == nil || *e.MemoryBytes != 1<<20 || e.PhysicalCores != 1 {
		t.Errorf("saw memory %v and %d cores, want 1 MiB and 1", e.MemoryBytes, e.PhysicalCores)
	}
	if again := Capture(root, ""); again.Host != e.Host || !strings.HasPrefix(e.Host, "host-") {
		t.Errorf("pseudonym: saw %q and %q", e.Host, again.Host)
	}
	if named := Capture(root, "lab-7"); named.Host != "lab-7" {
		t.Errorf("host: saw %q", named.Host)
	}
}

func TestCaptureOfAnEmptySystemIsEmptyNotWrong(t *testing.T) {
	e := Capture(t.TempDir(), "x")
	if e.MemoryBytes != nil || e.CPUModel != "" || e.Governor != "" || len(e.GPUs) != 0 || e.PhysicalCores < 1 {
		t.Errorf("saw %+v", e)
	}
}
