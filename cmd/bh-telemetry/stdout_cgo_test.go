//go:build cgo && unix

package main

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/telemetry"
)

// What cannot be written to a closed standard output is an error, and not the command's whose output it is. What is thrown away
// on purpose is none, with whatever flags it was opened.
func TestClosedOutput(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no sensor is read on this system")
	}
	dir := t.TempDir()
	samples := filepath.Join(dir, "s.jsonl")
	j, err := telemetry.OpenJournal(samples)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Append(numbered(1, 9)); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	for args, fails := range map[string]bool{
		"doctor": true, "doctor --json": true, "summary " + samples: true, "summary --json " + samples: true,
		"record -q --duration 50ms": true, "record -q --duration 50ms --format arrow": true,
		"record -q -o " + filepath.Join(dir, "o.jsonl") + " -- true": false,
	} {
		for redirect, closed := range map[string]bool{">&-": true, ">/dev/null": false, "1<>/dev/null": false} {
			out, err := exec.Command("sh", "-c", "exec "+tool+" "+args+" "+redirect).CombinedOutput()
			if told := strings.Contains(string(out), "standard output: it is closed"); (err != nil) != (fails && closed) || told != (err != nil) {
				t.Errorf("%s %s: saw %v, %q", args, redirect, err, out)
			}
		}
	}
}
