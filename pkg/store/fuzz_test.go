package store

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/record"
)

// fuzzRows seeds f with tables of every kind in format, whole and damaged.
func fuzzRows(f *testing.F, format Format) {
	f.Helper()
	for _, seed := range [][]byte{
		encodedSeed(f, format, []record.Run{exampleRun(0), degradedRun(1)}),
		encodedSeed(f, format, []record.Sample{exampleSample(0), exampleSample(1)}),
		encodedSeed(f, format, []record.Cell{exampleCell(0)}),
		encodedSeed(f, format, []record.Cost{exampleCost(0)}),
		encodedSeed(f, format, []record.Run{}),
	} {
		f.Add(seed)
		f.Add(seed[:len(seed)/2])
		f.Add(bytes.Replace(seed, []byte("1"), []byte("\xff"), 3))
	}
}

func encodedSeed[T Row](f *testing.F, format Format, rows []T) []byte {
	f.Helper()
	var b bytes.Buffer
	if err := putAll(&b, format, rows, nil); err != nil {
		f.Fatal(err)
	}
	return b.Bytes()
}

// fuzzRead reads data as format: no panic, no error without an exit code, nothing invalid handed over, and the counts add
// up.
func fuzzRead(t *testing.T, format Format, data []byte) {
	t.Helper()
	handed := 0
	valid := func(r record.Record) error {
		handed++
		return r.Validate()
	}
	s := newSink(context.Background(), Handlers{
		Run:    func(r *record.Run) error { return valid(r) },
		Sample: func(r *record.Sample) error { return valid(r) },
		Cell:   func(r *record.Cell) error { return valid(r) },
		Cost:   func(r *record.Cost) error { return valid(r) },
	})
	s.file = "fuzz"
	c, err := readable(format)
	if err != nil {
		t.Fatal(err)
	}
	in := bytes.NewReader(data)
	err = c.read(&input{Reader: bufio.NewReader(in), file: in}, s)
	if err != nil && cli.ExitCode(err) != cli.ExitBadInput {
		t.Errorf("not marked as bad input: %v", err)
	}
	if s.sum.Read != handed+s.sum.Rejected {
		t.Errorf("read %d, handed over %d, rejected %d", s.sum.Read, handed, s.sum.Rejected)
	}
}

func FuzzJSONL(f *testing.F) {
	fuzzRows(f, JSONL)
	f.Fuzz(func(t *testing.T, data []byte) { fuzzRead(t, JSONL, data) })
}

func FuzzCSV(f *testing.F) {
	fuzzRows(f, CSV)
	f.Add([]byte(cellHeader + "a,prefill,s,7,1.5,,true\n\"b\",prefill,\"s\"\"\",7,1e3,,"))
	f.Fuzz(func(t *testing.T, data []byte) { fuzzRead(t, CSV, data) })
}

func FuzzParquet(f *testing.F) {
	fuzzRows(f, Parquet)
	f.Fuzz(func(t *testing.T, data []byte) { fuzzRead(t, Parquet, data) })
}

func FuzzArrow(f *testing.F) {
	fuzzRows(f, Arrow)
	f.Fuzz(func(t *testing.T, data []byte) { fuzzRead(t, Arrow, data) })
}

// FuzzFastPath: what the fast path takes, encoding/json takes, and makes the same of it.
func FuzzFastPath(f *testing.F) {
	for _, line := range []string{
		string(mustJSON(f, exampleRun(0))), string(mustJSON(f, degradedRun(0))), string(mustJSON(f, exampleSample(0))),
		string(mustJSON(f, exampleCell(0))), string(mustJSON(f, exampleCost(0))),
		`{"schema":"bh.sample/1","ts_unix_ns":1,"source":"a","device":"b","power_w":-0.5E+3,"x":null,"temp_c":1e-400}`,
		`{"ts_unix_ns":9223372036854775807,"source":"\"\\u00e4","device":"é","schema":"bh.sample/1","x":-0,"y":"z"}`,
		`{"schema":"bh.sample/1","ts_unix_ns":1,"ts_unix_ns":null,"source":"a","device":"b"}`,
		`{"schema":"bh.sample/1","ts_unix_ns":01,"source":"a","device":"b"}`,
		`{"schema":"bh.run/1","itl_ns":[1, -2 ,3],"iteration_latency_ns":[]}`,
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		line = strings.TrimSpace(line)
		for _, k := range kinds {
			fast := newRow(k)
			if !newJSONKind(k).fast([]byte(line), fast) {
				continue
			}
			fields := map[string]json.RawMessage{}
			if err := json.Unmarshal([]byte(line), &fields); err != nil {
				t.Fatalf("encoding/json refuses: %v", err)
			}
			slow := newRow(k)
			if err := k.setJSON(slow, fields); err != nil {
				t.Fatalf("setJSON refuses: %v", err)
			}
			if !reflect.DeepEqual(fast.Interface(), slow.Interface()) {
				t.Errorf("fast %s\nslow %s", mustJSON(t, fast.Interface()), mustJSON(t, slow.Interface()))
			}
		}
	})
}

// TestGuard: a panic inside is an error, an error stays what it is.
func TestGuard(t *testing.T) {
	if err := guard(func() error { panic("index out of range") }); err == nil || err.Error() != "corrupt: index out of range" {
		t.Errorf("got %v", err)
	}
	stop := errors.New("stop")
	if err := guard(func() error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
	if err := guard(func() error { new(boundedAllocator).Allocate(maxAlloc + 1); return nil }); err == nil {
		t.Error("a block past the bound was allocated")
	}
}
