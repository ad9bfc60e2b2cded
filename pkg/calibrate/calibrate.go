// Package calibrate measures the roofs of this machine's processors with as many threads as the runs have: the bandwidth of
// its memory, and the floating point operations per second of a matrix product. Package roofline has the record, and what
// follows from it.
package calibrate

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/machine"
	"github.com/banterhearts/bh/pkg/roofline"
	"github.com/banterhearts/bh/pkg/units"
)

// Options say how to measure. The zero value of a field stands for its default.
type Options struct {
	Host        string       // name of this machine in the record
	Processor   string       // its name, for the record
	Threads     int          // default: one
	Repetitions int          // of each kernel; default: Repetitions
	Array       units.Bytes  // of each array; default: CacheFactor times the last-level cache, as memory allows
	Square      int          // side of the matrices of the product; default: Square
	Say         func(string) // told what is measured next; may be nil
}

// Defaults of Options.
const (
	Repetitions = 10 // STREAM's NTIMES
	CacheFactor = 4  // STREAM's rule for the size of an array
	Square      = 2048
)

// The bounds of an array: below the least, passes are too short to time; where the size of the cache is not known, arrays
// of unknownCache are larger than that of most machines.
const (
	leastArray   = 64 << 20
	unknownCache = 256 << 20
)

// Shares of the CPUs' time from which on others make a calibration doubtful: those that flag a run.
const (
	maxForeignPct = 5
	maxStealPct   = 1
)

// Run measures. It takes some twenty seconds. Where ONNX Runtime is not there, what it measures is null with the reason, and
// the rest is measured.
func Run(ctx context.Context, o Options) (*roofline.Calibration, error) {
	o.fill()
	c := &roofline.Calibration{
		Schema: roofline.Schema, Host: o.Host, MeasuredUTC: time.Now().UTC().Truncate(time.Second), Tool: cli.Version(),
		Versions: map[string]string{"go": runtime.Version()}, Device: "cpu", Processor: o.Processor, Threads: o.Threads, Warnings: []string{},
	}
	m := &measurement{ctx: ctx, Options: o, out: c}
	m.size("/")
	cpus, err := machine.Pick(o.Threads)
	if err == nil {
		m.cpus, c.CPUAffinity = cpus, cpus.String()
		if len(cpus) < o.Threads {
			m.warn("%d threads on %d processors: they wait for each other", o.Threads, len(cpus))
		}
	}
	load, loadErr := new(machine.Loads).Read(os.Getpid())
	for _, part := range []func() error{m.stream, m.library} {
		if err := part(); err != nil {
			return nil, err
		}
	}
	if loadErr == nil {
		m.disturbed(load)
	}
	c.Settle()
	if c.BandwidthBytesPerS == nil {
		c.BandwidthAbsent = "no kernel was measured"
	}
	return c, nil
}

func (o *Options) fill() {
	o.Threads = max(o.Threads, 1)
	if o.Repetitions == 0 {
		o.Repetitions = Repetitions
	}
	if o.Square == 0 {
		o.Square = Square
	}
	if o.Say == nil {
		o.Say = func(string) {}
	}
}

// measurement is one under way.
type measurement struct {
	Options
	ctx   context.Context
	out   *roofline.Calibration
	cpus  machine.CPUSet
	words int // float64s of an array
}

func (m *measurement) warn(format string, args ...any) {
	m.out.Warnings = append(m.out.Warnings, fmt.Sprintf(format, args...))
}

// size decides on the size of an array: as asked, else CacheFactor times the last-level cache. Three arrays at a time have
// to fit into half of the memory that is free.
func (m *measurement) size(root string) {
	want := m.Array
	if cache, ok := lastLevelCache(root); ok {
		m.out.LastLevelCacheBytes = &cache
		if want == 0 {
			want = max(CacheFactor*cache, leastArray)
		}
	} else if want == 0 {
		want = unknownCache
		m.warn("the size of the last-level cache is not known: arrays of %s may fit into it", want)
	}
	if free, ok := freeMemory(root); ok && want > free/6 {
		want = free / 6
		m.warn("arrays of %s, as more does not fit into half of the free memory: part of them may stay in the cache", want)
	}
	m.words = max(int(want)/8, 1<<10)
	m.out.ArrayBytes = units.Bytes(8 * m.words)
}

// disturbed notes who else used the processors meanwhile.
func (m *measurement) disturbed(before machine.Load) {
	after, err := new(machine.Loads).Read(os.Getpid())
	if err != nil {
		return
	}
	steal, foreign, ok := after.Since(before)
	if !ok {
		return
	}
	m.out.CPUStealPct, m.out.ForeignCPUPct = units.Ptr(units.Percent(steal)), units.Ptr(units.Percent(foreign))
	if foreign > maxForeignPct {
		m.warn("other processes used %.1f%% of the processors' time: the roofs are higher than measured; calibrate again when the machine is idle", foreign)
	}
	if steal > maxStealPct {
		m.warn("other virtual machines took %.1f%% of the processors' time: the roofs are higher than measured", steal)
	}
}

// repeat times a kernel and says what it reached per second. The first repetition warms up and is not counted.
func (m *measurement) repeat(kernel, counts string, amount float64, run func() error) (roofline.Rate, error) {
	m.Say(kernel)
	var rates []float64
	for i := range m.Repetitions + 1 {
		if err := m.ctx.Err(); err != nil {
			return roofline.Rate{}, err
		}
		start := time.Now()
		if err := run(); err != nil {
			return roofline.Rate{}, fmt.Errorf("%s: %w", kernel, err)
		}
		if i > 0 {
			rates = append(rates, amount/time.Since(start).Seconds())
		}
	}
	slices.Sort(rates)
	n := len(rates)
	return roofline.Rate{Kernel: kernel, Moved: counts, Repetitions: n, Best: rates[n-1], Median: (rates[(n-1)/2] + rates[n/2]) / 2, Worst: rates[0]}, nil
}

// stream measures the kernels in Go. Their arrays are given back to the system before anything else is measured.
func (m *measurement) stream() error {
	defer debug.FreeOSMemory()
	a := newArrays(m.words, m.Threads, m.cpus)
	defer a.end()
	bytes := float64(8 * m.words)
	for _, k := range []struct {
		name, counts string
		bytes        float64
		run          func(lo, hi int)
	}{
		{"read", "bytes read", bytes, a.read},
		{"copy", "bytes read and written, as STREAM counts", 2 * bytes, a.copy},
		{"triad", "bytes read and written, as STREAM counts", 3 * bytes, a.triad},
	} {
		r, err := m.repeat(k.name, k.counts, k.bytes, func() error { a.all(k.run); return nil })
		if err != nil {
			return err
		}
		m.out.Bandwidths = append(m.out.Bandwidths, r)
	}
	return nil
}
