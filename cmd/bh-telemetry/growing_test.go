package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/store"
	"github.com/banterhearts/bh/pkg/telemetry"
)

// numbered are samples at moments counted from 1.
func numbered(from, to int64) []record.Sample {
	var out []record.Sample
	for i := from; i <= to; i++ {
		out = append(out, record.Sample{Schema: record.SchemaSample, Host: "h", TSUnixNS: i, Source: "s", Device: "d"})
	}
	return out
}

// startGrowing is a recording whose clock the test sets.
func startGrowing(t *testing.T, output string, clock *time.Time) *growingTarget {
	t.Helper()
	j, err := telemetry.OpenJournal(telemetry.JournalName(output))
	if err != nil {
		t.Fatal(err)
	}
	g, err := newGrowingTarget(output, j, nil)
	if err != nil {
		t.Fatal(err)
	}
	g.now = func() time.Time { return *clock }
	return g
}

// abandon is the end of a recording that is killed.
func (t *growingTarget) abandon() { _ = t.close() }

func times(t *testing.T, path string) (all []int64) {
	t.Helper()
	samples, _ := samplesIn(t, path)
	for i := range samples {
		all = append(all, samples[i].TSUnixNS)
	}
	return all
}

// A crash between a footer and the restart of the journal leaves rows in both; recover takes them once.
func TestRowsInFileAndJournal(t *testing.T) {
	output := filepath.Join(t.TempDir(), "s.parquet")
	clock := time.Unix(0, 0)
	g := startGrowing(t, output, &clock)
	if err := g.append(numbered(1, 10)); err != nil {
		t.Fatal(err)
	}
	g.abandon()
	j, err := telemetry.OpenJournal(telemetry.JournalName(output))
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Append(numbered(6, 15)); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	left, _, err := findLeftover(t.Context(), output)
	if err != nil || left.grown != output || left.journal == "" {
		t.Fatalf("saw %+v, %v", left, err)
	}
	sum, err := left.moveTo(t.Context(), output, store.Parquet)
	if err != nil || sum.Read != 15 || sum.Err() != nil {
		t.Errorf("saw %+v, %v, want 15 rows", sum, err)
	}
	if got := times(t, output); len(got) != 15 || !slices.IsSorted(got) || got[14] != 15 {
		t.Errorf("saw %v", got)
	}
	if left, _, err = findLeftover(t.Context(), output); err != nil || left != (leftover{}) {
		t.Errorf("after that: saw %+v, %v, want nothing left", left, err)
	}
}

// The first footer comes with the first samples, the next one when its time has come and its rows are worth it, and each
// empties the journal.
func TestGrowingFooters(t *testing.T) {
	output := filepath.Join(t.TempDir(), "s.parquet")
	clock := time.Unix(0, 0)
	g := startGrowing(t, output, &clock)
	defer g.abandon()
	journal := func() int64 {
		info, err := os.Stat(telemetry.JournalName(output))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	last := int64(0)
	for i, c := range []struct {
		wait     time.Duration
		to       int64 // the last sample appended
		inFile   int
		journals bool // the journal holds something
	}{
		{0, 10, 10, false},
		{FooterEvery / 2, 20_000, 10, true}, // too soon
		{0, 20_000, 10, true},               // nothing new
		{FooterEvery / 2, 20_001, 20_001, false},
		{FooterEvery, 20_002, 20_001, true}, // too few rows to be worth a footer
		{FooterEvery, 90_000, 90_000, false},
	} {
		clock = clock.Add(c.wait)
		if err := g.append(numbered(last+1, c.to)); err != nil {
			t.Fatal(err)
		}
		last = c.to
		if got := times(t, output); len(got) != c.inFile || journal() > 0 != c.journals {
			t.Errorf("step %d: saw %d rows in the file and %d bytes of journal, want %d rows", i, len(got), journal(), c.inFile)
		}
	}
}

// A recording with few samples is in its file all the same, up to the last minute or the last tenth of it, and its footers stay
// few.
func TestGrowingSlowly(t *testing.T) {
	const interval, rows = 10 * time.Second, 10
	output := filepath.Join(t.TempDir(), "s.parquet")
	clock := time.Unix(0, 0)
	g := startGrowing(t, output, &clock)
	defer g.abandon()
	footers, footed, last := 0, time.Time{}, int64(0)
	for at := time.Duration(0); at <= 6*time.Hour; at += interval {
		clock = time.Unix(0, 0).Add(at)
		if err := g.append(numbered(last+1, last+rows)); err != nil {
			t.Fatal(err)
		}
		last += rows
		if !g.footed.Equal(footed) {
			footers, footed = footers+1, g.footed
		}
		if behind := clock.Sub(footed); behind >= max(time.Minute, at/10) {
			t.Fatalf("after %v: saw the file %v behind", at, behind)
		}
		if at == 4*time.Minute {
			if got := times(t, output); len(got) < int(3*time.Minute/interval)*rows {
				t.Errorf("after 4 minutes: saw %d rows in the file", len(got))
			}
		}
		if at == time.Hour && footers > 40 {
			t.Errorf("after an hour: saw %d footers", footers)
		}
	}
	info, err := os.Stat(output)
	if err != nil || footers > 60 {
		t.Errorf("after 6 hours: saw %d footers, %v", footers, err)
	}
	t.Logf("after 6 hours: %d footers, %d bytes, %d samples", footers, info.Size(), last)
}
