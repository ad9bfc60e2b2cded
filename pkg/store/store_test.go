package store

import (
	"context"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

func exampleRun(id string) record.Run {
	return record.Run{
		Schema: record.SchemaRun, Experiment: "e", RunID: id, Host: "h", Backend: "onnxruntime-cpu", Model: "gpt2-124m-seeded",
		Device: record.CPU, Scenario: "single_short", Mode: record.Prefill, BatchSize: 1, PromptTokens: 11, Status: record.OK,
		StartUnixNS: units.Ptr[int64](1e18), EndUnixNS: units.Ptr[int64](1e18 + 5e8), LatencyNS: units.Ptr[int64](1e7),
		IterationNS: []int64{1, 2, 3}, TokensProcessed: units.Ptr(units.Tokens(11)), Iterations: units.Ptr[int64](50),
		ThroughputTokS: units.Ptr(units.TokensPerSecond(1100)),
	}
}

func TestRoundTripFile(t *testing.T) {
	for _, ext := range []string{".jsonl", ".csv"} {
		path := filepath.Join(t.TempDir(), "runs"+ext)
		want := []record.Run{exampleRun("a"), exampleRun("b")}
		if err := WriteFile(path, want); err != nil {
			t.Fatal(err)
		}
		var got []record.Run
		sum, err := Scan(context.Background(), Input{Paths: []string{path}}, Handlers{Run: func(r *record.Run) error {
			got = append(got, *r)
			return nil
		}})
		if err != nil || sum.Err() != nil {
			t.Fatal(err, sum.Err())
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", ext, got, want)
		}
	}
}

func TestArchivedTableIsCells(t *testing.T) {
	n := 0
	sum, err := Scan(context.Background(), Input{Paths: []string{"../../../shared/data/tr119_measurements.csv"}}, Handlers{Cell: func(c *record.Cell) error {
		n++
		return nil
	}})
	t.Log(sum, err, n)
}
