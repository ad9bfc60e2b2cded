package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/roofline"
	"github.com/banterhearts/bh/pkg/units"
)

func TestFlagsOfCalibrationNeedIt(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--threads 2", "--threads: saw no --calibrate"},
		{"-o x.json", "--output: saw no --calibrate"},
		{"--calibrate --threads -1", "--threads: saw -1"},
		{"--calibrate -o none/x.json", "none/x.json"},
		{"--calibrate extra", `saw "extra", want flags alone`},
		{"--calibrate --output=", "--output: saw an empty name"},
	} {
		var out, errs bytes.Buffer
		args := append([]string{"bh-run", "doctor"}, strings.Fields(c.args)...)
		code := run(t.Context(), args, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs})
		if code != cli.ExitBadInput || !strings.Contains(errs.String(), c.want) {
			t.Errorf("%s: exit code %d: %s, want %d and %q", c.args, code, errs.String(), cli.ExitBadInput, c.want)
		}
	}
}

// TestCalibrationIsInterrupted: it says so, and writes nothing.
func TestCalibrationIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	path := filepath.Join(t.TempDir(), roofline.FileName)
	var out, errs bytes.Buffer
	code := run(ctx, []string{"bh-run", "doctor", "--calibrate", "-q", "--output", path}, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs})
	if code != cli.ExitInterrupted || !strings.Contains(errs.String(), "interrupted: the calibration is not finished") {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a file was written")
	}
}

// TestCalibrationIsShown: with what is missing, and with the warnings.
func TestCalibrationIsShown(t *testing.T) {
	c := &roofline.Calibration{Threads: 2, ArrayBytes: 1 << 30, LastLevelCacheBytes: units.Ptr(units.Bytes(32 << 20)), FLOPAbsent: "no library",
		Bandwidths: []roofline.Rate{{Kernel: "read", Repetitions: 10, Best: 31.5e9, Median: 30e9, Worst: 2e9}}, Warnings: []string{"busy"}}
	c.Settle()
	var out bytes.Buffer
	if err := showCalibration(&out, c); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a processor of unknown name, 2 threads; last-level cache 32 MiB, arrays of 1 GiB\n",
		"memory bandwidth: 31.5 GB/s (read)\n", "FLOP rate:        not measured: no library\n", "warning: busy\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("saw %s\nwant %q in it", out.String(), want)
		}
	}
}
