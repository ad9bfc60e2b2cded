//go:build integration && linux

package main

import (
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/energy"
	"github.com/banterhearts/bh/pkg/record"
)

// wine runs the Windows build of the program under Wine, against a pdh.dll whose counters show a known power.
type wine struct {
	prefix string
	folder string // C:\, where it runs and writes
}

// newWine builds the program and the libraries of testdata/windows into a fresh Windows. Programs find libraries of the
// system in its folder alone.
func newWine(t *testing.T) wine {
	t.Helper()
	const compiler = "x86_64-w64-mingw32-gcc"
	for _, need := range []string{"wine", compiler} {
		if _, err := exec.LookPath(need); err != nil {
			t.Skipf("the Windows build is run with Wine and a compiler for Windows (Debian's wine64, wine and gcc-mingw-w64-x86-64): %v", err)
		}
	}
	w := wine{prefix: filepath.Join(t.TempDir(), "prefix")}
	must(t, w.command("wineboot", "--init"))
	w.folder = filepath.Join(w.prefix, "drive_c")
	system := filepath.Join(w.prefix, "drive_c", "windows", "system32")
	for name, libraries := range map[string][]string{"pdh": nil, "bcryptprimitives": {"-ladvapi32"}} {
		args := []string{"-Wall", "-Wextra", "-Werror", "-shared", "-o", filepath.Join(system, name+".dll"),
			filepath.Join("testdata", "windows", name+".c")}
		must(t, exec.Command(compiler, append(args, libraries...)...))
	}
	build := exec.Command("go", "build", "-o", filepath.Join(w.folder, "bh-telemetry.exe"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=windows", "GOARCH=amd64")
	must(t, build)
	t.Cleanup(func() { must(t, w.command("wineserver", "--wait")) }) // it writes its registry until then
	return w
}

// command is a program of Wine's in this Windows.
func (w wine) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = w.folder
	cmd.Env = append(os.Environ(), "WINEPREFIX="+w.prefix, "WINEDEBUG=-all", "WINEDLLOVERRIDES=pdh=n;mscoree,mshtml=")
	return cmd
}

// run is the program itself.
func (w wine) run(args ...string) *exec.Cmd {
	return w.command("wine", append([]string{`C:\bh-telemetry.exe`}, args...)...)
}

func must(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	return string(out)
}

func TestSlowWindows(t *testing.T) {
	w := newWine(t)
	t.Run("doctor", w.doctor)
	t.Run("energy", w.energy)
	t.Run("exit code", w.exitCode)
	t.Run("killed", w.killed)
}

// doctor: what it says of the counters where they are, are not, and are forbidden.
func (w wine) doctor(t *testing.T) {
	for mode, want := range map[string]string{
		"":       "energy-meter  present  processor package energy and other rails (Windows Energy Meter)\n                       1 package, 1 other rail",
		"absent": "energy-meter  absent ",
		"denied": `net localgroup "Performance Monitor Users" %USERNAME% /add`,
	} {
		cmd := w.run("doctor")
		cmd.Env = append(cmd.Env, "BH_TEST_PDH="+mode)
		if out := strings.ReplaceAll(must(t, cmd), "\r\n", "\n"); !strings.Contains(out, want) {
			t.Errorf("counters %q: saw\n%s\nwant %q", mode, out, want)
		}
	}
}

// packageJoules is what pdh.c's package has used by a moment.
func packageJoules(ns int64) float64 {
	ns -= ns % 10e6
	part := float64(ns%1e9) / 1e9
	if part < 0.5 {
		return float64(ns/1e9%1e8)*20 + 30*part
	}
	return float64(ns/1e9%1e8)*20 + 15 + 10*(part-0.5)
}

// energy: a window of four seconds, by the counter, with the grade that one counter of two can get at most.
func (w wine) energy(t *testing.T) {
	must(t, w.run("record", "-q", "--duration", "6s", "-o", "r.parquet"))
	samples, sum := samplesIn(t, filepath.Join(w.folder, "r.parquet"))
	if sum.Err() != nil || len(samples) < 200 {
		t.Fatalf("saw %d samples, %v", len(samples), sum.Err())
	}
	begin := samples[0].TSUnixNS + time.Second.Nanoseconds()
	end := begin + 4*time.Second.Nanoseconds()
	got := energy.Of(samples, energy.Window{Start: begin, End: end, Device: record.CPU})
	want := packageJoules(end) - packageJoules(begin)
	if got.Joules == nil || got.Error == nil || got.Source != "energy-meter" {
		t.Fatalf("saw %+v, want energy of the meter", got)
	}
	off := math.Abs(float64(*got.Joules) - want)
	t.Logf("%.4f J of %.4f, off by %.3f%%; bound %.4f J, grade %s %v", float64(*got.Joules), want, 100*off/want, float64(*got.Error), got.Grade, got.Reasons)
	if off > 0.005*want || off > float64(*got.Error) || (got.Grade != record.GradeA && got.Grade != record.GradeB) {
		t.Errorf("saw %v J ± %v of grade %s, want %v within 0.5%% and the bound", *got.Joules, *got.Error, got.Grade, want)
	}
	for i := range samples {
		if s := &samples[i]; s.Source == "energy-meter" && s.Device != "cpu:0" && s.Device != "core:0" {
			t.Fatalf("saw device %s, want the package and its cores alone", s.Device)
		}
	}
}

func (w wine) exitCode(t *testing.T) {
	var exit *exec.ExitError
	if err := w.run("record", "-q", "-o", "c.parquet", "--", "cmd", "/c", "exit", "3").Run(); !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("saw %v, want exit code 3 of the command", err)
	}
}

// killed: a recording ended by force leaves what recover, under Windows too, makes whole.
func (w wine) killed(t *testing.T) {
	output := filepath.Join(w.folder, "k.parquet")
	cmd := w.run("record", "-q", "--interval", "10ms", "-o", "k.parquet")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(4 * time.Second)
	must(t, w.command("wineserver", "--kill"))
	if err := cmd.Wait(); err == nil {
		t.Error("a killed recording ended well")
	}
	before, sum := samplesIn(t, output)
	if len(sum.CutOff) != 1 {
		t.Errorf("saw %d samples and %q, want to be told that it is cut off", len(before), sum.CutOff)
	}
	must(t, w.run("recover", "k.parquet"))
	after, sum := samplesIn(t, output)
	if sum.Err() != nil || len(after) < len(before) || len(after) < 100 {
		t.Errorf("recovered %d of %d samples, %v", len(after), len(before), sum.Err())
	}
	t.Logf("%d samples before recover, %d after", len(before), len(after))
}
