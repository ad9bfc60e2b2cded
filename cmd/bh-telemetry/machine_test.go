package main

import (
	"bytes"
	"context"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/energy"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/telemetry"
	"github.com/banterhearts/bh/pkg/units"
)

// A window on the machine that runs the test, with a sweep at both its edges: its energy is graded by what measured it,
// and D where nothing did.
func TestEnergyOfThisMachine(t *testing.T) {
	set, err := telemetry.Open(telemetry.Environment{Host: "testhost"}, telemetry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	rec := telemetry.Start(t.Context(), set, telemetry.DefaultInterval)
	rec.Now()
	begin := time.Now()
	time.Sleep(500 * time.Millisecond)
	end := time.Now()
	rec.Now()
	if failed := rec.Stop(); len(failed) > 0 {
		t.Error(failed)
	}
	run := &record.Run{Schema: record.SchemaRun, Host: "testhost", Device: record.CPU, Status: record.OK,
		StartUnixNS: units.Ptr(begin.UnixNano()), EndUnixNS: units.Ptr(end.UnixNano()), Iterations: units.Ptr(int64(4))}
	energy.Apply(run, rec.Drain())
	switch {
	case slices.Contains(set.Sources(), record.SourceCPUEstimate):
		if run.EnergyGrade != record.GradeD || run.PowerSource != record.SourceCPUEstimate {
			t.Errorf("saw grade %s of %s (%s), want D of the estimate", run.EnergyGrade, run.PowerSource, run.EnergyReasons)
		}
	case slices.Contains(set.Sources(), "rapl"):
		if run.EnergyGrade != record.GradeB && run.EnergyGrade != record.GradeC {
			t.Errorf("saw grade %s (%s), want B or C", run.EnergyGrade, run.EnergyReasons)
		}
	default:
		if runtime.GOOS == "linux" || run.EnergyJoules != nil || run.EnergyReasons == "" {
			t.Errorf("saw %s J (%s) from %v, want none and a reason", units.G4Ptr(run.EnergyJoules), run.EnergyReasons, set.Sources())
		}
		return
	}
	if run.EnergyJoules == nil || *run.EnergyJoules <= 0 || run.PowerMeanW == nil {
		t.Fatalf("saw %s J, want energy", units.G4Ptr(run.EnergyJoules))
	}
	if whole := run.PowerMeanW.For(end.Sub(begin)); whole/4/(*run.EnergyJoules) < 0.999 || whole/4/(*run.EnergyJoules) > 1.001 {
		t.Errorf("saw %v J an iteration, want a quarter of %v", *run.EnergyJoules, whole)
	}
}

// An interrupt gives 130 where it cut a duration short, and is the normal end of an open recording.
func TestInterruptExitCodes(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no sensor is read on this system")
	}
	for _, c := range []struct {
		args []string
		want int
	}{
		{[]string{tool, "record", "--duration", "1h"}, cli.ExitInterrupted},
		{[]string{tool, "record"}, cli.ExitOK},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var out, errs bytes.Buffer
		if got := run(ctx, c.args, cli.Streams{Out: &out, Err: &errs}); got != c.want {
			t.Errorf("%v: saw exit code %d (%s), want %d", c.args, got, errs.String(), c.want)
		}
		if !bytes.Contains(out.Bytes(), []byte(`"schema":"bh.sample/1"`)) {
			t.Errorf("%v: saw output %q, want what was sampled so far", c.args, out.String())
		}
	}
}

// An interrupt that came before the command keeps it from being started.
func TestInterruptedBeforeTheCommand(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no sensor is read on this system")
	}
	for _, idle := range []string{"0s", "1h"} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		dir := t.TempDir()
		started := filepath.Join(dir, "started")
		var errs bytes.Buffer
		args := []string{tool, "record", "-q", "-o", filepath.Join(dir, "s.jsonl"), "--idle", idle, "--", "touch", started}
		if got := run(ctx, args, cli.Streams{Out: &bytes.Buffer{}, Err: &errs}); got != cli.ExitInterrupted || fileExists(started) {
			t.Errorf("--idle %s: saw exit code %d (%s), command started %t, want %d and no command",
				idle, got, errs.String(), fileExists(started), cli.ExitInterrupted)
		}
	}
}

// The processor time of a command is read when it has ended, and not at the last sweep before.
func TestProcessorTimeToTheEnd(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no sensor is read on this system")
	}
	output := filepath.Join(t.TempDir(), "s.jsonl")
	var out, errs bytes.Buffer
	args := []string{tool, "record", "-q", "-o", output, "--interval", "10s", "--",
		"sh", "-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; cat /proc/$$/stat"}
	if got := run(t.Context(), args, cli.Streams{Out: &out, Err: &errs}); got != cli.ExitOK {
		t.Fatalf("saw exit code %d, %s", got, errs.String())
	}
	fields := strings.Fields(out.String()) // of sh: the times are the 14th and 15th, in ticks of 10 ms
	used := 0.0
	for _, f := range fields[13:15] {
		ticks, err := strconv.ParseFloat(f, 64)
		if err != nil {
			t.Fatal(err)
		}
		used += ticks / 100
	}
	samples, _ := samplesIn(t, output)
	last := 0.0
	for _, s := range samples {
		if s.CPUTimeNS != nil && s.Device == record.DeviceProcesses {
			last = time.Duration(*s.CPUTimeNS).Seconds()
		}
	}
	if used == 0 || last < used-0.05 || last > used+0.2 {
		t.Errorf("saw %v s of processor time, want the %v s of the command", last, used)
	}
}
