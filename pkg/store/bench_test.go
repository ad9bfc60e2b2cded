package store

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/banterhearts/bh/pkg/record"
)

// benchRows is how many rows one operation of a benchmark reads or writes.
const benchRows = 20_000

// reportRate adds rows per second to the ns/op of benchmarks whose operation is benchRows rows.
func reportRate(b *testing.B) {
	b.ReportMetric(float64(b.N)*benchRows/b.Elapsed().Seconds(), "records/s")
}

func benchRuns() []record.Run {
	rows := make([]record.Run, benchRows)
	for i := range rows {
		rows[i] = exampleRun(i)
	}
	return rows
}

func benchSamples() []record.Sample {
	rows := make([]record.Sample, benchRows)
	for i := range rows {
		rows[i] = exampleSample(i)
	}
	return rows
}

func encoded[T Row](b *testing.B, f Format, rows []T) []byte {
	b.Helper()
	var buf bytes.Buffer
	if err := putAll(&buf, f, rows, nil); err != nil {
		b.Fatal(err)
	}
	return buf.Bytes()
}

func benchRead[T Row](b *testing.B, f Format, rows []T) {
	data := encoded(b, f, rows)
	path := filepath.Join(b.TempDir(), "rows."+string(f))
	if err := os.WriteFile(path, data, 0o600); err != nil {
		b.Fatal(err)
	}
	n := 0
	h := Handlers{
		Run:    func(*record.Run) error { n++; return nil },
		Sample: func(*record.Sample) error { n++; return nil },
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		n = 0
		if _, err := Scan(context.Background(), Input{Paths: []string{path}}, h); err != nil || n != len(rows) {
			b.Fatalf("read %d rows: %v", n, err)
		}
	}
	reportRate(b)
}

func benchWrite[T Row](b *testing.B, f Format, rows []T) {
	b.SetBytes(int64(len(encoded(b, f, rows))))
	b.ReportAllocs()
	for b.Loop() {
		if err := putAll(io.Discard, f, rows, nil); err != nil {
			b.Fatal(err)
		}
	}
	reportRate(b)
}

func BenchmarkRead(b *testing.B) {
	for _, f := range []Format{JSONL, Parquet, Arrow, CSV} {
		b.Run("runs/"+string(f), func(b *testing.B) { benchRead(b, f, benchRuns()) })
		b.Run("samples/"+string(f), func(b *testing.B) { benchRead(b, f, benchSamples()) })
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, f := range []Format{JSONL, Parquet, Arrow, CSV} {
		b.Run("runs/"+string(f), func(b *testing.B) { benchWrite(b, f, benchRuns()) })
		b.Run("samples/"+string(f), func(b *testing.B) { benchWrite(b, f, benchSamples()) })
	}
}

// BenchmarkDecodeLine is JSON-lines decoding alone, without validation and reading: the fast path, and encoding/json
// beside it.
func BenchmarkDecodeLine(b *testing.B) {
	for name, line := range map[string][]byte{
		"run":    mustJSON(b, exampleRun(0)),
		"sample": mustJSON(b, exampleSample(0)),
	} {
		b.Run(name+"/fast", func(b *testing.B) {
			j := newJSONDecoder().guess(line)
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				if row := newRow(j.kind); !j.fast(line, row) {
					b.Fatal("not on the fast path")
				}
			}
		})
		b.Run(name+"/encoding-json", func(b *testing.B) {
			k := newJSONDecoder().guess(line).kind
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				if err := unmarshal(line, newRow(k)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
