//go:build integration && linux

package telemetry_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// kernelPackages are Debian's packages that a guest is made of, unpacked and never installed; %s is the kernel's release
// without its architecture.
var kernelPackages = []string{"linux-image-%s-amd64", "linux-headers-%s-amd64", "linux-headers-%s-common", "linux-kbuild-6.1",
	"busybox-static", "ipmitool", "libfreeipmi17", "acpica-tools"}

// kernelModules are the drivers that a guest loads, with their parameters.
var kernelModules = []string{"virtio_pci", "virtio_blk", "crc32c_generic", "ext4", "intel_rapl_common", "ipmi_devintf", "ipmi_si",
	"acpi_power_meter", "ac", "battery", "i2c_dev", "i2c_stub chip_addr=0x48", "ltc4215"}

// guestPatience is how long a guest may take, without KVM too.
const guestPatience = 4 * time.Minute

// lab is what guests are made from.
type lab struct {
	packages string // folder of the unpacked packages
	release  string // of the kernel: 6.1.0-50-amd64
	work     string // folder of this test
	initrd   string
	ssdt     string
}

// newLab gets and builds everything, and skips the test with the reason where that cannot be.
func newLab(t *testing.T) *lab {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		t.Skip("the simulated drivers are of x86")
	}
	for _, tool := range []string{"qemu-system-x86_64", "dpkg", "make", "gcc-12", "mkfs.ext4"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no guest can be made: %v", err)
		}
	}
	l := &lab{work: t.TempDir()}
	l.unpack(t)
	module := l.build(t)
	l.ssdt = filepath.Join(l.work, "meters.aml")
	command(t, l.work, filepath.Join(l.packages, "usr/bin/iasl"), "-p", filepath.Join(l.work, "meters"), testdata(t, "meters.asl"))
	tool := filepath.Join(l.work, "bh-telemetry")
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", tool, "../../cmd/bh-telemetry")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // without NVML, and so without a C library that the guest would need
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	l.pack(t, tool, module)
	return l
}

func testdata(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata/kernel", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func command(t *testing.T, folder, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = folder
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
	return string(out)
}

// unpack takes the packages from the user's cache, or downloads them into it.
func (l *lab) unpack(t *testing.T) {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skipf("nowhere to keep Debian's packages: %v", err)
	}
	base := filepath.Join(cache, "bh", "kernel-test")
	if found, _ := filepath.Glob(filepath.Join(base, "6.1.*")); len(found) > 0 {
		l.packages, l.release = found[len(found)-1], filepath.Base(found[len(found)-1])
		return
	}
	out, err := exec.Command("apt-cache", "depends", "linux-image-amd64").CombinedOutput()
	_, release, ok := strings.Cut(string(out), "Depends: linux-image-")
	if l.release = strings.TrimSpace(release); err != nil || !ok || !strings.HasPrefix(l.release, "6.1.") {
		t.Skipf("the drivers' interface is that of Debian 12's Linux 6.1; apt-cache says: %v %s", err, out)
	}
	if err := os.MkdirAll(base, 0o755); err != nil {
		t.Skip(err)
	}
	folder, err := os.MkdirTemp(base, "part")
	if err != nil {
		t.Skip(err)
	}
	defer os.RemoveAll(folder)
	download := exec.Command("apt-get", "download", "-q")
	for _, name := range kernelPackages {
		download.Args = append(download.Args, strings.ReplaceAll(name, "%s", strings.TrimSuffix(l.release, "-amd64")))
	}
	download.Dir = folder
	if out, err := download.CombinedOutput(); err != nil {
		t.Skipf("Debian's packages cannot be had: %v: %s", err, out)
	}
	debs, _ := filepath.Glob(filepath.Join(folder, "*.deb"))
	for _, deb := range debs {
		command(t, folder, "dpkg", "-x", deb, folder)
		if err := os.Remove(deb); err != nil {
			t.Fatal(err)
		}
	}
	l.packages = filepath.Join(base, l.release)
	headers := "/usr/src/linux-headers-" + strings.TrimSuffix(l.release, "-amd64")
	include := fmt.Sprintf("include %s%s-common/Makefile\n", l.packages, headers) // Debian's names the folder it is installed in
	if err := os.WriteFile(filepath.Join(folder, headers+"-amd64/Makefile"), []byte(include), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(folder, l.packages); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
}

// build compiles the module of the known power.
func (l *lab) build(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(l.work, "module")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bhtruth.c", "wave.h", "Kbuild"} {
		data, err := os.ReadFile(testdata(t, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, name), data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	command(t, folder, "make", "-s", "-C", filepath.Join(l.packages, "usr/src/linux-headers-"+l.release), "M="+folder, "modules")
	return filepath.Join(folder, "bhtruth.ko")
}

// guest is a running machine.
type guest struct {
	cmd     *exec.Cmd
	stderr  bytes.Buffer // of QEMU, which also lists there what the simulated processor lacks
	console string       // what it has said
	out     string       // the disk that it leaves its files on
	end     func()
}

// start begins a guest that runs a script of testdata, with KVM where there is one. Processors are as QEMU's -smp has them.
func (l *lab) start(t *testing.T, script, processors string, args ...string) *guest {
	t.Helper()
	folder := t.TempDir()
	g := &guest{console: filepath.Join(folder, "console"), out: filepath.Join(folder, "out")}
	if err := errors.Join(os.WriteFile(g.out, nil, 0o644), os.Truncate(g.out, 256<<20)); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithTimeout(context.Background(), guestPatience)
	g.end = end
	t.Cleanup(end)
	g.cmd = exec.CommandContext(ctx, "qemu-system-x86_64", append([]string{
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-accel", accelerator(),
		"-cpu", "Skylake-Server", "-smp", processors, "-m", "1024", "-serial", "file:" + g.console,
		"-kernel", filepath.Join(l.packages, "boot/vmlinuz-"+l.release), "-initrd", l.initrd,
		"-append", "console=ttyS0 loglevel=4 panic=-1 steps=/" + script, "-acpitable", "file=" + l.ssdt,
		"-drive", "if=virtio,format=raw,file=" + g.out}, args...)...)
	g.cmd.Stderr = &g.stderr
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return g
}

// accelerator is KVM where it can run a guest like any machine: on Intel's or AMD's virtualisation, and not on that of a
// kernel that has to know of it. Without, QEMU translates.
func accelerator() string {
	for _, driver := range []string{"kvm_intel", "kvm_amd"} {
		if _, err := os.Stat("/sys/module/" + driver); err == nil {
			if f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0); err == nil {
				f.Close()
				return "kvm"
			}
		}
	}
	return "tcg,thread=multi"
}

// said waits until the guest has said something.
func (g *guest) said(t *testing.T, text string) {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < guestPatience; time.Sleep(50 * time.Millisecond) {
		if console, err := os.ReadFile(g.console); err == nil && bytes.Contains(console, []byte(text)) {
			return
		}
	}
	console, _ := os.ReadFile(g.console)
	t.Fatalf("the guest did not say %q; it said: %s", text, console)
}

// cut takes the power from the guest.
func (g *guest) cut(t *testing.T) {
	t.Helper()
	if err := g.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = g.cmd.Wait() // "signal: killed"
}

// files waits until the guest has ended and returns a folder of what it left.
func (g *guest) files(t *testing.T) string {
	t.Helper()
	err := g.cmd.Wait()
	console, _ := os.ReadFile(g.console)
	if err != nil {
		t.Fatalf("guest: %v: %s; it said: %s", err, g.stderr.String(), console)
	}
	disk, err := os.Open(g.out)
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	folder := t.TempDir()
	for r := tar.NewReader(disk); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("what the guest left: %v; it said: %s", err, console)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		data, err := io.ReadAll(r)
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, filepath.Base(h.Name)), data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return folder
}
