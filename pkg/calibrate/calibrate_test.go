package calibrate

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/ortbind"
	"github.com/banterhearts/bh/pkg/ortlib"
	"github.com/banterhearts/bh/pkg/roofline"
	"github.com/banterhearts/bh/pkg/units"
)

// small is a calibration that takes no time.
var small = Options{Host: "host-1", Threads: 2, Repetitions: 3, Array: 4 << 20, Square: 64}

func TestCalibrationHasBothRoofs(t *testing.T) {
	var said []string
	o := small
	o.Say = func(s string) { said = append(said, s) }
	c, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var kernels []string
	for _, r := range slices.Concat(c.Bandwidths, c.FLOPs) {
		kernels = append(kernels, r.Kernel)
		if r.Repetitions != 3 || r.Best < r.Median || r.Median < r.Worst || r.Worst <= 0 {
			t.Errorf("saw %+v", r)
		}
	}
	if !slices.Equal(said, kernels) || len(kernels) != 5 {
		t.Errorf("said %q, measured %q", said, kernels)
	}
	if c.BandwidthBytesPerS == nil || c.FLOPPerS == nil || c.FLOPPrecision != "fp32" || c.Host != "host-1" || c.Threads != 2 || c.Versions["onnxruntime"] == "" {
		t.Errorf("saw %+v", c)
	}
}

// TestWithoutTheLibrary: the bandwidth is measured, and the FLOP rate is null with the reason.
func TestWithoutTheLibrary(t *testing.T) {
	t.Setenv(ortlib.EnvVar, filepath.Join(t.TempDir(), "none.so"))
	c, err := Run(t.Context(), small)
	if err != nil || c.BandwidthBytesPerS == nil || c.FLOPPerS != nil || !strings.Contains(c.FLOPAbsent, "none.so") {
		t.Errorf("saw %+v, %v", c, err)
	}
}

func TestCalibrationIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, small); !errors.Is(err, context.Canceled) {
		t.Errorf("saw %v", err)
	}
}

// TestKernelsDoTheirWork: on parts that no unrolling divides.
func TestKernelsDoTheirWork(t *testing.T) {
	a := newArrays(1003, 3, nil)
	defer a.end()
	a.all(a.read)
	if a.sum != 1003 {
		t.Errorf("read: saw %v, want 1003", a.sum)
	}
	for _, k := range []struct {
		run  func(lo, hi int)
		want float64
	}{{a.copy, 1}, {a.triad, 7}} {
		a.all(k.run)
		if i := slices.IndexFunc(a.c, func(v float64) bool { return v != k.want }); i >= 0 {
			t.Errorf("element %d: saw %v, want %v", i, a.c[i], k.want)
		}
	}
}

func TestProductIsAProduct(t *testing.T) {
	found, err := ortlib.Find()
	if err != nil {
		t.Fatal(err)
	}
	lib, err := ortbind.Load(found.Path)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newProduct(lib, 1, [3]int{1, 5, 3})
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if err := p.binding.Run(); err != nil || p.value() != 5 {
		t.Errorf("saw %v, %v, want 5", p.value(), err)
	}
}

func TestArraysAreLargerThanTheCache(t *testing.T) {
	put := func(root, name, content string) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const caches = "sys/devices/system/cpu/cpu0/cache/"
	root := t.TempDir()
	put(root, caches+"index0/size", "48K")
	put(root, caches+"index3/size", "32M")
	put(root, "proc/meminfo", "MemTotal: 99999999 kB\nMemAvailable:    4194304 kB")
	check := func(name string, root string, want units.Bytes, warnings int) {
		t.Helper()
		m := &measurement{out: &roofline.Calibration{}}
		m.size(root)
		if m.out.ArrayBytes != want || len(m.out.Warnings) != warnings {
			t.Errorf("%s: saw arrays of %d bytes and %q, want %d and %d warnings", name, m.out.ArrayBytes, m.out.Warnings, want, warnings)
		}
	}
	check("four times the cache", root, 128<<20, 0)
	put(root, "sys/fs/cgroup/memory.max", "max")
	check("no limit", root, 128<<20, 0)
	put(root, "sys/fs/cgroup/memory.max", "629145600")
	put(root, "sys/fs/cgroup/memory.current", "26214400")
	check("a small control group", root, (575<<20)/6/8*8, 1)
	check("nothing known", t.TempDir(), unknownCache, 1)
	put(root, caches+"index3/size", "1M")
	put(root, "sys/fs/cgroup/memory.max", "max")
	check("a small cache", root, leastArray, 0)
}
