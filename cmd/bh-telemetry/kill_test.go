package main

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/store"
	"github.com/banterhearts/bh/pkg/telemetry"
)

// A recording that is killed with -9 at any moment leaves a file that this project's reader and a plain Parquet reader
// take, and recover adds what was in the journal.
func TestKilledAtAnyMoment(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no sensor is read on this system")
	}
	killMany(t, 8, 8, 2*time.Second)
}

// killMany kills n recordings, a few at a time, at random moments up to longest.
func killMany(t *testing.T, n, atOnce int, longest time.Duration) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, uint64(n)))
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for range n {
		after := time.Duration(random.Int64N(int64(longest)))
		output := filepath.Join(t.TempDir(), "s.parquet")
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			kill(t, output, after)
			checkKilled(t, output, after)
		})
	}
	wg.Wait()
}

// kill starts a recording and kills it some time after its file has appeared.
func kill(t *testing.T, output string, after time.Duration) {
	var errs bytes.Buffer
	cmd := exec.Command(tool, "record", "-q", "-o", output, "--interval", "10ms")
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return
	}
	for deadline := time.Now().Add(time.Minute); !fileExists(output) && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(after)
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil || errs.Len() > 0 {
		t.Errorf("killed after %v: saw %v, %s", after, err, errs.String())
	}
}

func checkKilled(t *testing.T, output string, after time.Duration) {
	before, sum := samplesIn(t, output)
	if len(sum.CutOff) != 1 {
		t.Errorf("killed after %v: saw %d samples and %q, want to be told that it is cut off", after, len(before), sum.CutOff)
	}
	torn := strings.Contains(strings.Join(sum.CutOff, ""), "passed over")
	if n, err := plainRows(output); !torn && (err != nil || n != int64(len(before))) {
		t.Errorf("killed after %v: a plain reader saw %d rows, %v, want %d", after, n, err, len(before))
	}
	if out, err := exec.Command(tool, "recover", output).CombinedOutput(); err != nil {
		t.Errorf("killed after %v: recover: %v: %s", after, err, out)
		return
	}
	all, sum := samplesIn(t, output)
	if sum.Err() != nil || len(all) < len(before) || fileExists(telemetry.JournalName(output)) {
		t.Errorf("killed after %v: recovered %d of %d samples, %v", after, len(all), len(before), sum.Err())
	}
	if n, err := plainRows(output); err != nil || n != int64(len(all)) {
		t.Errorf("killed after %v: recovered: a plain reader saw %d rows, %v, want %d", after, n, err, len(all))
	}
	last := int64(0)
	for i := range all {
		if s := &all[i]; s.Source == record.SourceRecorder {
			if s.TSUnixNS <= last {
				t.Errorf("killed after %v: saw a sweep at %d after one at %d", after, s.TSUnixNS, last)
			}
			last = s.TSUnixNS
		}
	}
	t.Logf("killed after %v: %d samples, torn %t; recovered %d", after, len(before), torn, len(all))
}

// samplesIn reads a file as this project's tools do.
func samplesIn(t *testing.T, path string) ([]record.Sample, store.Summary) {
	var out []record.Sample
	sum, err := store.Scan(context.Background(), store.Input{Paths: []string{path}}, store.Handlers{Sample: func(s *record.Sample) error {
		out = append(out, *s)
		return nil
	}})
	if err != nil {
		t.Error(err)
	}
	return out, sum
}

// plainRows reads all of a file as any other program does and counts its rows.
func plainRows(path string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r, err := file.NewParquetReader(f)
	if err != nil {
		return 0, err
	}
	arrows, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		return 0, err
	}
	table, err := arrows.ReadTable(context.Background())
	if err != nil {
		return 0, err
	}
	defer table.Release()
	return table.NumRows(), nil
}
