package compare

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/units"
)

func TestPairsOfTheArchive(t *testing.T) {
	d := analyseArchive(t)
	rows := d.Pairs()
	if len(rows) != 40 { // 10 pairs, 2 modes, 2 metrics
		t.Fatalf("%d pairs, want 40", len(rows))
	}
	caption, table := PairTable(rows)
	if caption != "" || !slices.Contains(table.Columns, "metric") || len(table.Rows) != 40 {
		t.Errorf("of two metrics: caption %q, columns %q", caption, table.Columns)
	}
	caption, table = PairTable(rows[:10])
	if caption != "metric total_usd_per_1m, method tr119, tier on_demand" {
		t.Errorf("caption %q", caption)
	}
	want := []string{"prefill", "onnxruntime-cpu", "onnxruntime-gpu", "5", "1.999", "1.271", "3.146", "0.07933", "false"}
	if !slices.Equal(table.Rows[0], want) {
		t.Errorf("row %q, want %q", table.Rows[0], want)
	}
}

func TestPairsWithoutATest(t *testing.T) {
	cells, _ := grid(map[string][]float64{"a": {1}, "b": {2}})
	d := analyse(t, cells, nil, Options{Metrics: []string{LatencyMS}})
	rows := d.Pairs()
	if len(rows) != 1 || rows[0].PHolm != nil || rows[0].Absent == "" {
		t.Fatalf("%+v", rows)
	}
	var text, machine, array bytes.Buffer
	for _, err := range []error{WritePairsText(&text, rows), WritePairsCSV(&machine, rows), WritePairsJSON(&array, rows)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(text.String(), units.Absent) {
		t.Errorf("no %s in\n%s", units.Absent, text.String())
	}
	lines, err := csv.NewReader(&machine).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	record := map[string]string{}
	for i, name := range lines[0] {
		record[name] = lines[1][i]
	}
	if record["p_holm"] != "" || record["ratio"] != "0.5" || record["absent"] != rows[0].Absent {
		t.Errorf("%v", record)
	}
	var back []PairRow
	if err := json.Unmarshal(array.Bytes(), &back); err != nil || len(back) != 1 || back[0] != rows[0] {
		t.Errorf("%+v (%v), want %+v", back, err, rows)
	}
	if notes := d.Notes(); len(notes) != 1 || !strings.HasPrefix(notes[0], "prefill latency_ms: not tested: no two backends") {
		t.Errorf("notes %q", notes)
	}
	text.Reset()
	if err := WritePairsMarkdown(&text, nil); err != nil || text.Len() != 0 {
		t.Errorf("no pairs are %q (%v), want nothing", text.String(), err)
	}
}

// Every number of the CSV reads back as the number of the document.
func TestPairsCSVIsExact(t *testing.T) {
	rows := analyseArchive(t).Pairs()
	var b bytes.Buffer
	if err := WritePairsCSV(&b, rows); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	at := slices.Index(lines[0], "p")
	for i, r := range rows {
		if v, err := strconv.ParseFloat(lines[i+1][at], 64); err != nil || v != *r.P {
			t.Errorf("row %d: p %s, want %g", i, lines[i+1][at], *r.P)
		}
	}
}
