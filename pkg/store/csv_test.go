package store

import (
	"context"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/record"
)

// TestArchivedTable: the measurements that TR119 published are a table of cells without a schema column.
func TestArchivedTable(t *testing.T) {
	var cells []record.Cell
	sum, err := Scan(context.Background(), Input{Paths: []string{"testdata/archive.csv"}}, collect(&cells))
	if err != nil || sum.Err() != nil {
		t.Fatal(err, sum.Err())
	}
	if len(cells) != 3 {
		t.Fatalf("got %d cells, want 3", len(cells))
	}
	c := cells[1]
	if c.Backend != "onnxruntime-cpu" || c.Mode != record.Prefill || c.N != 7 || *c.LatMeanMS != 38.37 || *c.ThroughputMeanTokS != 1987 || *c.PowerMeanW != 119.7 {
		t.Errorf("got %+v", c)
	}
	if c.LatSDMS != nil || c.ThroughputRatioTokS != nil || c.BatchSize != nil || c.Schema != record.SchemaCell {
		t.Errorf("columns that the table lacks are not null: %+v", c)
	}
}

const cellHeader = "backend,mode,scenario,n,lat_mean_ms,power_mean_w,outputs_differ\n"

// TestCSVShapes: byte order marks, CRLF, quotes, blank lines and spaces around numbers are all ordinary.
func TestCSVShapes(t *testing.T) {
	for name, content := range map[string]string{
		"plain":       cellHeader + "a,prefill,s,7,1.5,,TRUE\n",
		"BOM":         "\xef\xbb\xbf" + cellHeader + "a,prefill,s,7,1.5,,true\n",
		"CRLF":        strings.ReplaceAll(cellHeader+"a,prefill,s,7,1.5,,true\n", "\n", "\r\n"),
		"quotes":      cellHeader + `"a","prefill","s","7","1.5","","true"` + "\n",
		"blank lines": cellHeader + "\n\na,prefill,s,7,1.5,,true\n\n",
		"spaces":      cellHeader + "a,prefill,s, 7 , 1.5 , ,true",
		"more":        "mood,x y," + cellHeader + "1,2,a,prefill,s,7,1.5,,true",
	} {
		var got []record.Cell
		_, err := Scan(context.Background(), Input{Paths: []string{writeTemp(t, "c.csv", content)}}, collect(&got))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(got) != 1 || got[0].N != 7 || *got[0].LatMeanMS != 1.5 || got[0].PowerMeanW != nil || !*got[0].OutputsDiffer {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func TestCSVBadRows(t *testing.T) {
	path := writeTemp(t, "c.csv", cellHeader+strings.Join([]string{
		"a,prefill,s,7,1.5,,",
		"a,prefill,s,7,NaN,,",
		"a,prefill,s,7,,,",
		"a,prefill,s,,1.5,,",
		"a,prefill,s,7",
		`a,pre"fill,s,7,1.5,,`,
		"a,prefill,s,7,1.5,-2,",
		"a,prefill,s,7,1.5,2,maybe",
		"a,prefill,s,7.5,1.5,2,",
		"a,prefill,s,7,n/a,2,",
		`a,prefill,"a`,
		`b",7,1.5,,`,
		"a,decode,s,7,1.5,,",
	}, "\n"))
	var got []record.Cell
	sum, err := Scan(context.Background(), Input{Paths: []string{path}}, collect(&got))
	if err != nil || len(got) != 2 { // the first, and the one with a line break inside quotes
		t.Fatalf("%v; %d rows", err, len(got))
	}
	want := []string{
		":3: field lat_mean_ms: saw NaN, want a finite number",
		":4: field lat_mean_ms: saw nothing, want a value in a cell with good runs",
		":5: field n: saw nothing, want an integer",
		":6: saw 4 fields, want 7 as in the header",
		`:7: bare " in non-quoted-field`,
		":8: field power_mean_w: saw -2, want a finite number of at least 0",
		`:9: field outputs_differ: saw "maybe", want true or false`,
		`:10: field n: saw "7.5", want an integer`,
		`:11: field lat_mean_ms: saw "n/a", want a finite number`,
		`:14: field mode: saw "decode", want one of prefill, generate, generate-cached`,
	}
	for i, e := range sum.Errors {
		if i >= len(want) || e.Error() != path+want[i] {
			t.Errorf("got %q", e)
		}
	}
	if len(sum.Errors) != len(want) {
		t.Errorf("got %d errors, want %d", len(sum.Errors), len(want))
	}
}

// TestCSVUnclosedQuote: a quote that never closes ends the scan within the bound on memory, and not after the file.
func TestCSVUnclosedQuote(t *testing.T) {
	path := writeTemp(t, "c.csv", cellHeader+"a,prefill,s,7,1.5,,\n\"")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	chunk := strings.Repeat("b,prefill,s,7,1.5,,\n", 1<<20/20)
	for range maxLine>>20 + 8 {
		if _, err := f.WriteString(chunk); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	var got []record.Cell
	_, err = Scan(context.Background(), Input{Paths: []string{path}}, collect(&got))
	if err == nil || !strings.Contains(err.Error(), "line longer than 64 MiB") || len(got) != 1 {
		t.Errorf("got %v and %d rows", err, len(got))
	}
}

func TestParseList(t *testing.T) {
	for in, want := range map[string][]int64{"1 2 3": {1, 2, 3}, "1;-2;3": {1, -2, 3}, "4; 5": {4, 5}, "[6, -7]": {6, -7}, "[]": {}} {
		if got, err := parseList(in); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"1 x", "1.5", "9223372036854775808"} {
		if got, err := parseList(in); err == nil {
			t.Errorf("%q: got %v", in, got)
		}
	}
}
