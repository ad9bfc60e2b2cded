package telemetry

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"syscall"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

const (
	pressureName   = "pressure"
	pressureFolder = "proc/pressure"
	// pressureBoot is what makes a kernel count that was built with CONFIG_PSI_DEFAULT_DISABLED (Linux,
	// Documentation/admin-guide/kernel-parameters.txt, "psi=").
	pressureBoot = "add psi=1 to the kernel's command line and boot again"
)

func init() {
	register(member{name: pressureName, measures: "share of the time in which tasks waited for processor, memory, I/O (PSI)",
		open: openPressure})
}

// pressure reads the pressure stall information of the whole machine once per slowEvery, as device "host". A column is the
// share of the time since the row before in which at least one task waited ("some"), from the kernel's total of
// microseconds and not from its averages, which look back over 10 s and more (Linux, Documentation/accounting/psi.rst).
type pressure struct {
	env    Environment
	slow   every
	files  [3]*kept  // cpu, memory, io
	totals [3]uint64 // microseconds, at the last row
	at     time.Time
}

var _ Source = (*pressure)(nil)

func openPressure(env Environment, _ Options) (Source, string, error) {
	p := &pressure{env: env, slow: every{span: slowEvery}, at: time.Now()}
	files := env.fsys()
	for i, name := range [...]string{"cpu", "memory", "io"} {
		p.files[i] = keep(files, path.Join(pressureFolder, name))
	}
	totals, err := p.read()
	switch {
	case err == nil:
		p.totals = totals
		p.slow.due(p.at)
		return p, "processor, memory and I/O of the whole machine", nil
	case errors.Is(err, fs.ErrNotExist) && !exists(files, procStat):
		err = &unavailable{kind: ErrAbsent, why: "no /proc/pressure: this is not Linux"}
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.EOPNOTSUPP):
		err = &unavailable{kind: ErrAbsent, why: "the kernel counts no pressure (no /proc/pressure)", fix: pressureBoot}
	case errors.Is(err, fs.ErrPermission):
		err = &unavailable{kind: ErrPermission, why: place(err), fix: "sudo chmod a+r /proc/pressure/*"}
	}
	return nil, "", errors.Join(err, p.Close())
}

func exists(files fs.FS, name string) bool {
	_, err := fs.Stat(files, name)
	return !errors.Is(err, fs.ErrNotExist)
}

// read gives the three totals.
func (p *pressure) read() (totals [3]uint64, err error) {
	for i, k := range p.files {
		text, err := k.read()
		if err != nil {
			return totals, err
		}
		total, ok := someTotal(text)
		if !ok {
			return totals, fmt.Errorf("%s: saw %q, want a line \"some … total=N\"", k.name, bytes.TrimSpace(text))
		}
		totals[i] = total
	}
	return totals, nil
}

// someTotal is N of the line "some avg10=0.00 avg60=0.00 avg300=0.00 total=N".
func someTotal(text []byte) (uint64, bool) {
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(line, []byte("some ")) {
			continue
		}
		_, total, _ := bytes.Cut(line, []byte(" total="))
		return digits(bytes.TrimSpace(total))
	}
	return 0, false
}

// Name implements Source.
func (*pressure) Name() string { return pressureName }

// Sample implements Source.
func (p *pressure) Sample(now time.Time, dst []record.Sample) ([]record.Sample, error) {
	if !p.slow.due(now) {
		return dst, nil
	}
	totals, err := p.read()
	if err != nil {
		return dst, err
	}
	span := now.Sub(p.at)
	s := p.env.sample(now, pressureName, "host")
	share := func(i int) *units.Percent {
		if span <= 0 || totals[i] < p.totals[i] {
			return nil
		}
		waited := time.Duration(totals[i]-p.totals[i]) * time.Microsecond
		return units.Ptr(units.Percent(100 * min(1, waited.Seconds()/span.Seconds())))
	}
	s.PressureCPUPct, s.PressureMemPct, s.PressureIOPct = share(0), share(1), share(2)
	p.totals, p.at = totals, now
	return append(dst, s), nil
}

// Close implements Source.
func (p *pressure) Close() error { return closeKept(p.files[:]...) }
