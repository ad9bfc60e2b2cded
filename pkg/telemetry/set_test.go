package telemetry

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"runtime"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestOpenPrefersMeasuredPower(t *testing.T) {
	for _, c := range []struct {
		tree     string
		rapl     Status
		estimate Status
	}{
		{"desktop", Present, NotRequired},
		{"two-sockets", Present, NotRequired},
		{"virtual-machine", Absent, Present},
	} {
		set, err := Open(machine(fixture(t, c.tree)), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := finding1(t, set.Findings(), "rapl").Status; got != c.rapl {
			t.Errorf("%s: rapl: saw %s, want %s", c.tree, got, c.rapl)
		}
		if got := finding1(t, set.Findings(), "cpu-estimate").Status; got != c.estimate {
			t.Errorf("%s: cpu-estimate: saw %s, want %s", c.tree, got, c.estimate)
		}
		if got := slices.Contains(set.Sources(), "cpu-estimate"); got != (c.estimate == Present) {
			t.Errorf("%s: cpu-estimate open: saw %t", c.tree, got)
		}
	}
	set, err := Open(machine(denied{fixture(t, "desktop"), "energy_uj"}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(set.Sources(), "cpu-estimate") {
		t.Errorf("RAPL not readable: saw sources %v, want the estimate in its place", set.Sources())
	}
}

func TestOpenRefusesOptions(t *testing.T) {
	if _, err := Open(machine(fstest.MapFS{}), Options{CPUIdleWatts: units.Ptr(units.Watts(1))}); err == nil {
		t.Error("saw no error for half of the options")
	}
}

// ofNoFixture are the sources that no tree of files has: a library's, a program's, another system's, and what only a user
// can name. Each has a mock of its own, and what it says here is the machine's that runs the test.
var ofNoFixture = map[string]bool{nvmlName: true, ipmiName: true, energyMeterName: true, meterName: true}

// Every registered source keeps the contract of Source on every machine that it opens on.
func TestSourcesConform(t *testing.T) {
	opened := map[string]bool{}
	for _, name := range fixtures(t) {
		for _, m := range members {
			src, detail, err := m.open(machine(fixture(t, name)), Options{})
			if err != nil {
				if !errors.Is(err, ErrAbsent) && !errors.Is(err, ErrPermission) {
					t.Errorf("%s on %s: saw %v, want absent or no permission", m.name, name, err)
				}
				continue
			}
			opened[m.name] = true
			if src.Name() != m.name || detail == "" {
				t.Errorf("%s on %s: saw name %q, detail %q", m.name, name, src.Name(), detail)
			}
			first := []record.Sample{{Source: "kept"}}
			rows, err := src.Sample(time.Now(), first)
			if err != nil || rows[0].Source != "kept" {
				t.Errorf("%s on %s: saw %v, want rows appended to those given", m.name, name, err)
			}
			for i := range rows[1:] {
				s := &rows[i+1]
				if err := s.Validate(); err != nil || s.Source != m.name || s.Host != "testhost" {
					t.Errorf("%s on %s: saw %+v: %v", m.name, name, s, err)
				}
			}
			if err := src.Close(); err != nil {
				t.Errorf("%s on %s: close: %v", m.name, name, err)
			}
		}
	}
	for _, m := range members {
		if !ofNoFixture[m.name] && !opened[m.name] {
			t.Errorf("no fixture has %s", m.name)
		}
	}
}

// fake is a source that fails on demand.
type fake struct {
	name     string
	err      error
	closeErr error
	at       []time.Time
}

func (f *fake) Name() string { return f.name }

func (f *fake) Sample(now time.Time, dst []record.Sample) ([]record.Sample, error) {
	f.at = append(f.at, now)
	if f.err != nil {
		return dst, f.err
	}
	return append(dst, Environment{Host: "testhost"}.sample(now, f.name, "cpu")), nil
}

func (f *fake) Close() error { return f.closeErr }

func TestSetKeepsWhatWorks(t *testing.T) {
	broken := errors.New("bus error")
	a, b := &fake{name: "a", err: broken}, &fake{name: "b"}
	set := &Set{sources: []Source{a, b}}
	got, err := set.Sample(epoch)
	if len(got) != 1 || got[0].Source != "b" {
		t.Errorf("saw %+v, want the row of b", got)
	}
	if !errors.Is(err, broken) || len(SourceErrors(err)) != 1 || SourceErrors(err)[0].Source != "a" {
		t.Errorf("saw %v, want the failure of a", err)
	}
	if !b.at[0].After(epoch) {
		t.Errorf("b read at %v, want a time after the sweep began at %v", b.at[0], epoch)
	}
	a.closeErr = broken
	if err := set.Close(); !errors.Is(err, broken) || err.Error() != "source a: bus error" {
		t.Errorf("close: saw %v", err)
	}
}

func TestSourceErrorsOfNothing(t *testing.T) {
	for _, err := range []error{nil, errors.New("x"), errors.Join(errors.New("x"))} {
		if got := SourceErrors(err); got != nil {
			t.Errorf("SourceErrors(%v): saw %v, want none", err, got)
		}
	}
}

func TestProbe(t *testing.T) {
	tree := fixture(t, "desktop")
	for _, c := range []struct {
		name, source string
		env          Environment
		status       Status
		fix          string
	}{
		{"readable", "rapl", machine(tree), Present, ""},
		{"denied", "rapl", machine(denied{tree, "energy_uj"}), NoAccess, raplGrant},
		{"virtual machine", "rapl", machine(fixture(t, "virtual-machine")), Absent, ""},
		{"nothing", "proc", machine(fstest.MapFS{}), Absent, ""},
		{"no meminfo", "proc", machine(fstest.MapFS{procStat: tree[procStat]}), Broken, ""},
	} {
		got := finding1(t, Probe(c.env), c.source)
		if got.Status != c.status || got.Fix != c.fix || got.Detail == "" || got.Measures == "" {
			t.Errorf("%s: saw %+v, want status %s, fix %q", c.name, got, c.status, c.fix)
		}
	}
	if got := len(Probe(machine(tree))); got != len(members) {
		t.Errorf("saw %d findings, want one for each of %d sources", got, len(members))
	}
}

func TestWriteFindings(t *testing.T) {
	var findings []Finding
	for _, env := range []Environment{machine(fixture(t, "desktop")), machine(denied{fixture(t, "desktop"), "energy_uj"}),
		machine(fixture(t, "virtual-machine"))} {
		for _, f := range Probe(env) {
			if f.Source != nvmlName && f.Source != energyMeterName { // say what this machine and build have
				findings = append(findings, f)
			}
		}
	}
	var got bytes.Buffer
	if err := WriteFindings(&got, findings); err != nil {
		t.Fatal(err)
	}
	golden := "testdata/findings.golden"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(bytes.ReplaceAll(want, []byte("\r"), nil), got.Bytes()) {
		t.Errorf("saw\n%s\nwant\n%s", got.Bytes(), want)
	}
}

// The machine that runs the test: on Linux its processor is read, elsewhere everything says that it is absent.
func TestThisMachine(t *testing.T) {
	set, err := Open(Environment{Host: "testhost"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	if _, err := set.Sample(time.Now()); err != nil {
		t.Error(err)
	}
	if runtime.GOOS == "linux" {
		if !slices.Contains(set.Sources(), "proc") {
			t.Errorf("saw sources %v, want proc among them", set.Sources())
		}
		return
	}
	for _, f := range set.Findings() {
		if f.Status != Absent {
			t.Errorf("%s: saw %s: %s, want absent", f.Source, f.Status, f.Detail)
		}
	}
}
