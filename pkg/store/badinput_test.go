package store

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// jsonLine is the JSON line of exampleRun(i) after edits of old to new.
func jsonLine(t *testing.T, i int, edits ...string) string {
	t.Helper()
	line := string(mustJSON(t, exampleRun(i)))
	for e := 0; e < len(edits); e += 2 {
		if !strings.Contains(line, edits[e]) {
			t.Fatalf("the example has no %s", edits[e])
		}
		line = strings.Replace(line, edits[e], edits[e+1], 1)
	}
	return line
}

func scanRuns(path string) ([]record.Run, Summary, error) {
	var rows []record.Run
	sum, err := Scan(context.Background(), Input{Paths: []string{path}}, collect(&rows))
	return rows, sum, err
}

func writeTemp(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestBadRow: each way in which a row can be bad rejects that row, says where and what, and keeps the good one.
func TestBadRow(t *testing.T) {
	good := jsonLine(t, 0)
	for name, c := range map[string]struct{ line, want string }{
		"cut in half":         {good[:len(good)/2], ":2: not a JSON object: unexpected end of JSON input"},
		"not an object":       {`[1,2]`, ":2: not a JSON object: "},
		"trailing garbage":    {jsonLine(t, 1) + "x", ":2: not a JSON object: invalid character 'x'"},
		"wrong type":          {jsonLine(t, 1, `"latency_ns":43661235`, `"latency_ns":"fast"`), `:2: field latency_ns: saw "fast", want an integer`},
		"number as a text":    {jsonLine(t, 1, `"backend":"onnxruntime-cpu"`, `"backend":7`), ":2: field backend: saw 7, want a text"},
		"fraction":            {jsonLine(t, 1, `"batch_size":1,`, `"batch_size":1.5,`), ":2: field batch_size: saw 1.5, want an integer"},
		"too large":           {jsonLine(t, 1, `"power_mean_w":45.123`, `"power_mean_w":1e999`), ":2: field power_mean_w: saw 1e999, want a finite number"},
		"NaN":                 {jsonLine(t, 1, `"power_mean_w":45.123`, `"power_mean_w":NaN`), ":2: not a JSON object: invalid character 'N'"},
		"null in a list":      {jsonLine(t, 1, `[4123456,`, `[null,`), ":2: field itl_ns: saw [null,"},
		"negative latency":    {jsonLine(t, 1, `"latency_ns":43661235`, `"latency_ns":-5`), ":2: field latency_ns: saw -5, want a finite number above 0"},
		"zero tokens":         {jsonLine(t, 1, `"tokens_processed":11`, `"tokens_processed":0`), ":2: field tokens_processed: saw 0, want a finite number above 0"},
		"duplicate id":        {good, `:2: field run_id: saw "onnxruntime-cpu/generate-cached/single_short/0" again, want one run of that id per experiment and host`},
		"unknown mode":        {jsonLine(t, 1, `"mode":"generate-cached"`, `"mode":"decode"`), `:2: field mode: saw "decode", want one of prefill, generate, generate-cached`},
		"no schema":           {`{"run_id":"x"}`, ":2: not a record: field schema: saw nothing, want one of bh.run/1"},
		"other schema":        {jsonLine(t, 1, "bh.run/1", "bh.run/9"), `:2: field schema: saw "bh.run/9", want one of bh.run/1`},
		"field missing":       {jsonLine(t, 1, `"max_new_tokens":8,`, ``), ":2: field max_new_tokens: saw nothing, want an integer"},
		"field null":          {jsonLine(t, 1, `"run_id":"`, `"run_id":null,"x":"`), ":2: field run_id: saw nothing, want a text"},
		"measured, not ok":    {jsonLine(t, 1, `"status":"ok"`, `"status":"degraded"`), ":2: field reason: saw nothing, want a reason in a run with status degraded"},
		"longer than maxLine": {`{"schema":"` + strings.Repeat("x", maxLine) + `"}`, ":2: line longer than 64 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			path := writeTemp(t, "runs.jsonl", good+"\n"+c.line+"\n")
			rows, sum, err := scanRuns(path)
			if err != nil {
				t.Fatal(err)
			}
			if len(rows) != 1 || sum.Read != 2 || sum.Rejected != 1 {
				t.Errorf("got %d rows, read %d, rejected %d; want 1, 2, 1", len(rows), sum.Read, sum.Rejected)
			}
			partial := sum.Err()
			if cli.ExitCode(partial) != cli.ExitPartial || !strings.HasPrefix(partial.Error(), "1 of 2 rows rejected; first: "+path) {
				t.Errorf("got %v, exit code %d", partial, cli.ExitCode(partial))
			}
			if !strings.Contains(partial.Error(), c.want) || strings.Contains(partial.Error(), "\n") {
				t.Errorf("got %q, want it to have %q in one line", partial, c.want)
			}
		})
	}
}

// TestBadInput: what leaves nothing to go on with is bad input, in one line that names the file.
func TestBadInput(t *testing.T) {
	run := jsonLine(t, 0)
	header, line, _ := strings.Cut(csvOf(t, exampleRun(0)), "\n")
	parquet := bytesOf(t, Parquet, exampleRun(0), exampleRun(1))
	stream := bytesOf(t, Arrow, exampleRun(0), exampleRun(1))
	for name, c := range map[string]struct{ file, content, want string }{
		"empty":                   {"runs.jsonl", "", ": empty, want records"},
		"blank lines":             {"runs.jsonl", "\n \r\n\n", ": empty, want records"},
		"empty CSV":               {"runs.csv", "", ": empty, want records"},
		"header alone":            {"runs.csv", header + "\n", ": empty, want records"},
		"empty Parquet":           {"runs.parquet", "", ": empty, want records"},
		"no rows in Parquet":      {"runs.parquet", bytesOf[record.Run](t, Parquet), ": empty, want records"},
		"no rows in Arrow":        {"runs.arrow", bytesOf[record.Run](t, Arrow), ": empty, want records"},
		"one line, cut in half":   {"runs.jsonl", run[:200], "no good row in "},
		"truncated Parquet":       {"runs.parquet", parquet[:len(parquet)/2], ": not a whole Parquet file: "},
		"Parquet without its end": {"runs.parquet", parquet[:len(parquet)-8], ": not a whole Parquet file: "},
		"corrupt Parquet":         {"runs.parquet", parquet[:100] + strings.Repeat("\xff", 400) + parquet[500:], ": after row 0: corrupt: "},
		"text as Parquet":         {"runs.parquet", run + "\n", ": not a whole Parquet file: parquet: "},
		"Parquet as text":         {"runs.jsonl", parquet, "no good row in "},
		"Arrow cut in a batch":    {"runs.arrow", stream[:len(stream)-100], ": after row 0: "},
		"Arrow cut after a batch": {"runs.arrow", stream[:len(stream)-8], ": after row 2: "},
		"Arrow IPC file":          {"runs.arrow", "ARROW1\x00\x00....", ": an Arrow IPC file, want an Arrow IPC stream"},
		"required column missing": {"runs.csv", strings.Replace(header, "run_id", "id", 1) + "\n" + line, ": required column run_id is missing (read as runs)"},
		"two missing":             {"x.csv", "run_id,backend,scenario,mode,device,status,latency_ns,prompt_tokens\n,,,,,,,\n", ": required columns batch_size, max_new_tokens are missing (read as runs)"},
		"no record columns":       {"x.csv", "fruit,colour\napple,red\n", ": not a record: columns fruit, colour, want a schema column or those of runs, samples, cells or costs"},
		"other schema in CSV":     {"x.csv", "schema,run_id\nbh.run/7,x\n", `: field schema: saw "bh.run/7", want one of bh.run/1`},
		"unknown extension":       {"runs.xlsx", "x", `: unknown extension ".xlsx", want one of .parquet .arrow .jsonl .csv`},
		"output format":           {"runs.md", "x", `: format "md" is only written, want one of parquet, arrow, jsonl, csv`},
	} {
		t.Run(name, func(t *testing.T) {
			path := writeTemp(t, c.file, c.content)
			rows, _, err := scanRuns(path)
			if cli.ExitCode(err) != cli.ExitBadInput {
				t.Fatalf("got %v, exit code %d, want %d; %d rows", err, cli.ExitCode(err), cli.ExitBadInput, len(rows))
			}
			if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %q, want %s and %q in one line", err, path, c.want)
			}
		})
	}
}

func TestMissingFile(t *testing.T) {
	for _, path := range []string{"nowhere/runs.jsonl", "nowhere/*.jsonl"} {
		_, _, err := scanRuns(path)
		if cli.ExitCode(err) != cli.ExitBadInput || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v", path, err)
		}
	}
	if _, err := Scan(context.Background(), Input{From: "xml"}, Handlers{}); cli.ExitCode(err) != cli.ExitBadInput {
		t.Errorf("unknown format: got %v", err)
	}
}

func TestUnwantedKind(t *testing.T) {
	for _, f := range machineFormats {
		path := writeTemp(t, "costs."+string(f), bytesOf(t, f, exampleCost(0)))
		_, err := Scan(context.Background(), Input{Paths: []string{path}}, Handlers{
			Run:  func(*record.Run) error { return nil },
			Cell: func(*record.Cell) error { return nil },
		})
		if cli.ExitCode(err) != cli.ExitBadInput || !strings.HasSuffix(err.Error(), " holds costs, want runs or cells") {
			t.Errorf("%s: got %v", f, err)
		}
	}
}

func csvOf[T Row](t *testing.T, rows ...T) string { return bytesOf(t, CSV, rows...) }

func bytesOf[T Row](t *testing.T, f Format, rows ...T) string {
	t.Helper()
	var b strings.Builder
	if err := putAll(&b, f, rows, nil); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// foreignRows are rows, given as JSON, in a table that this package would not write.
func foreignRows(t *testing.T, fields []arrow.Field, rows string) arrow.Record {
	t.Helper()
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, arrow.NewSchema(fields, nil), strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// foreignParquet writes rec as another tool might.
func foreignParquet(t *testing.T, rec arrow.Record) string {
	t.Helper()
	var b strings.Builder
	w, err := pqarrow.NewFileWriter(rec.Schema(), &b, nil, pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(rec), w.Close()); err != nil {
		t.Fatal(err)
	}
	return writeTemp(t, "samples.parquet", b.String())
}

// sampleFields are the columns of a sample table as another tool might write it.
func sampleFields(power arrow.DataType) []arrow.Field {
	return []arrow.Field{
		{Name: "ts_unix_ns", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "source", Type: arrow.BinaryTypes.LargeString, Nullable: true},
		{Name: "device", Type: &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}, Nullable: true},
		{Name: "power_w", Type: power, Nullable: true},
		{Name: "mood", Type: arrow.FixedWidthTypes.Date32, Nullable: true}, // unknown: passed over
	}
}

// TestForeignParquet: narrower types widen, other string types are texts, unknown columns are passed over.
func TestForeignParquet(t *testing.T) {
	for _, power := range []arrow.DataType{arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Int64} {
		path := foreignParquet(t, foreignRows(t, sampleFields(power), `[
			{"ts_unix_ns": 5, "source": "rapl", "device": "cpu:0", "power_w": 42, "mood": 1},
			{"ts_unix_ns": 6, "source": "rapl", "device": "cpu:1", "power_w": null}]`))
		var got []record.Sample
		if _, err := Scan(context.Background(), Input{Paths: []string{path}}, collect(&got)); err != nil {
			t.Fatal(err)
		}
		if len(got) != 2 || *got[0].PowerW != units.Watts(42) || got[1].PowerW != nil || got[1].Device != "cpu:1" || got[0].Schema != record.SchemaSample {
			t.Errorf("%s: got %+v", power, got)
		}
	}
}

// TestForeignParquetRows: what Validate sees in JSON-lines it sees in Parquet, by row number.
func TestForeignParquetRows(t *testing.T) {
	rec := foreignRows(t, sampleFields(arrow.PrimitiveTypes.Float64), `[
		{"ts_unix_ns": 5, "source": "rapl", "device": "cpu:0"},
		{"ts_unix_ns": 6, "source": "rapl", "device": "cpu:0"},
		{"ts_unix_ns": 7, "source": "rapl", "device": "cpu:0"},
		{"ts_unix_ns": null, "source": "rapl", "device": "cpu:0"},
		{"ts_unix_ns": 9, "source": null, "device": "cpu:0"}]`)
	power := array.NewFloat64Builder(memory.DefaultAllocator)
	power.AppendValues([]float64{1, math.NaN(), -1, 1, 1}, nil)
	rec, err := rec.SetColumn(3, power.NewArray())
	if err != nil {
		t.Fatal(err)
	}
	path := foreignParquet(t, rec)
	var got []record.Sample
	sum, err := Scan(context.Background(), Input{Paths: []string{path}}, collect(&got))
	if err != nil || len(got) != 1 || sum.Rejected != 4 {
		t.Fatalf("%v; got %d rows, %d rejected", err, len(got), sum.Rejected)
	}
	for i, want := range []string{
		": row 2: field power_w: saw NaN, want a finite number",
		": row 3: field power_w: saw -1, want a finite number of at least 0",
		": row 4: field ts_unix_ns: saw nothing, want an integer",
		": row 5: field source: saw nothing, want a text",
	} {
		if sum.Errors[i].Error() != path+want {
			t.Errorf("got %q, want %q", sum.Errors[i], path+want)
		}
	}
}

func TestWrongColumnType(t *testing.T) {
	for want, power := range map[string]arrow.DataType{
		": column power_w: saw type utf8, want float64":                  arrow.BinaryTypes.String,
		": column power_w: saw type bool, want float64":                  arrow.FixedWidthTypes.Boolean,
		": column power_w: saw type timestamp[ns, tz=UTC], want float64": arrow.FixedWidthTypes.Timestamp_ns,
	} {
		path := foreignParquet(t, foreignRows(t, sampleFields(power), `[{"ts_unix_ns": 5, "source": "rapl", "device": "cpu:0"}]`))
		var got []record.Sample
		_, err := Scan(context.Background(), Input{Paths: []string{path}}, collect(&got))
		if cli.ExitCode(err) != cli.ExitBadInput || err.Error() != path+want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestMaxErrors: the summary counts all rejected rows and keeps the first few.
func TestMaxErrors(t *testing.T) {
	path := writeTemp(t, "runs.jsonl", jsonLine(t, 0)+"\n"+strings.Repeat("{\n", 3*MaxErrors))
	_, sum, err := scanRuns(path)
	if err != nil || sum.Rejected != 3*MaxErrors || len(sum.Errors) != MaxErrors {
		t.Errorf("%v: %d rejected, %d errors kept", err, sum.Rejected, len(sum.Errors))
	}
	var row *RowError
	if !errors.As(sum.Errors[1], &row) || row.Line != 3 || row.File != path {
		t.Errorf("got %#v", sum.Errors[1])
	}
}
