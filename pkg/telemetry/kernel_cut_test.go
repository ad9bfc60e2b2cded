//go:build integration && linux

package telemetry_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/store"
	"github.com/banterhearts/bh/pkg/telemetry"
)

// cutLoss is how much of a recording a power cut may take: half a second until the next sync, and what a slow machine takes
// to sync.
const cutLoss = 3 * time.Second

// cutPower takes the power from a guest while it records to a disk, starts another on that disk, and looks at what is left.
// Its controller is QEMU's own, which knows no DCMI, and its package has two dies.
func cutPower(t *testing.T, l *lab, after time.Duration) {
	disk := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(disk, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	command(t, "", "mkfs.ext4", "-q", disk, "64M")
	drive := []string{"-drive", "if=virtio,format=raw,file=" + disk}
	g := l.start(t, "cut.sh", "2,sockets=1,dies=2",
		append(drive, "-device", "ipmi-bmc-sim,id=bmc0", "-device", "isa-ipmi-kcs,bmc=bmc0")...)
	g.said(t, "alive")
	time.Sleep(after)
	g.cut(t)
	died := lastAlive(t, g)
	folder := l.start(t, "after.sh", "2,sockets=2", drive...).files(t)

	f := findings(t, folder, "doctor.json")["ipmi"]
	if want := "the controller gives no power reading: DCMI request failed because: Invalid command"; f.Status != telemetry.Absent ||
		!strings.HasPrefix(f.Detail, want) {
		t.Errorf("a controller without DCMI: saw %q %q, want %q", f.Status, f.Detail, want)
	}
	t.Logf("a controller without DCMI: %s: %s", f.Status, f.Detail)

	left, sum := scan(t, filepath.Join(folder, "cut.parquet"))
	if len(sum.CutOff) != 1 {
		t.Errorf("saw %q, want to be told that the recording is cut off", sum.CutOff)
	}
	whole, sum := scan(t, filepath.Join(folder, "recovered.parquet"))
	if len(sum.CutOff) != 0 || len(whole) < len(left) || len(whole) == 0 {
		t.Fatalf("recovered %d of %d samples, %q; %s; %s", len(whole), len(left), sum.CutOff, text(filepath.Join(folder, "recover.log")),
			text(filepath.Join(folder, "steps.log")))
	}
	last := whole[len(whole)-1].TSUnixNS
	lost := died.Sub(time.Unix(0, last))
	t.Logf("power cut %v after the recording began: %d samples readable as it is, %d recovered, up to %v before the cut",
		died.Sub(time.Unix(0, whole[0].TSUnixNS)).Round(time.Millisecond), len(left), len(whole), lost.Round(time.Millisecond))
	if lost > cutLoss {
		t.Errorf("saw the last sample %v before the cut, want %v at most", lost, cutLoss)
	}
	w := readTruth(t)
	for device, zone := range map[string]string{"cpu:0-die-0": "cpu:0", "cpu:0-die-1": "cpu:1", "dram:0-die-1": "dram:1"} {
		rows := of(whole, "rapl", device)
		if len(rows) < 5 {
			t.Errorf("saw %d rows of %s", len(rows), device)
			continue
		}
		checkReadings(t, w, w.of(t, zone), rows)
	}
}

// lastAlive is the time of the guest's wall clock at which it was last heard of.
func lastAlive(t *testing.T, g *guest) time.Time {
	t.Helper()
	console, err := os.ReadFile(g.console)
	if err != nil {
		t.Fatal(err)
	}
	var at int64
	var up, alive float64
	for line := range bytes.Lines(console) {
		_, _ = fmt.Sscanf(string(line), "clock %d %f", &at, &up) // other lines are of something else
		_, _ = fmt.Sscanf(string(line), "alive %f", &alive)
	}
	if at == 0 || alive == 0 {
		t.Fatalf("saw no clock in %s", console)
	}
	return time.Unix(at, 0).Add(time.Duration((alive - up) * 1e9))
}

func scan(t *testing.T, file string) (out []record.Sample, sum store.Summary) {
	t.Helper()
	sum, err := store.Scan(context.Background(), store.Input{Paths: []string{file}}, store.Handlers{Sample: func(s *record.Sample) error {
		out = append(out, *s)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return out, sum
}

func readSamples(t *testing.T, file string) []record.Sample {
	t.Helper()
	out, sum := scan(t, file)
	if err := sum.Err(); err != nil || len(out) == 0 {
		t.Fatalf("%s: saw %d samples, %v", file, len(out), err)
	}
	return out
}
