package telemetry

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"sync"

	"github.com/banterhearts/bh/pkg/units"
)

//go:embed processors.csv
var processorsCSV string

// processor is a row of the table of processors.
type processor struct {
	model        string // as in the processor's name, without the maker
	tdp          units.Watts
	threads      int // of one package; 0 where the table does not tell
	source, date string
}

// processors is the table. It is part of the program, so that one that cannot be read is a programmer's mistake.
var processors = sync.OnceValue(func() []processor {
	r := csv.NewReader(strings.NewReader(processorsCSV))
	r.Comment = '#'
	rows, err := r.ReadAll()
	if err != nil {
		panic(fmt.Sprintf("processors.csv: %v", err))
	}
	var out []processor
	for _, row := range rows[1:] {
		tdp, err := strconv.ParseFloat(row[1], 64)
		if err != nil {
			panic(fmt.Sprintf("processors.csv: %s: %v", row[0], err))
		}
		threads, err := strconv.Atoi("0" + row[2])
		if err != nil {
			panic(fmt.Sprintf("processors.csv: %s: %v", row[0], err))
		}
		out = append(out, processor{model: row[0], tdp: units.Watts(tdp), threads: threads, source: row[3], date: row[4]})
	}
	return out
})

// modelName is the processor's name in /proc/cpuinfo, "" where it has none (ARM).
func modelName(files fs.FS) string {
	info, err := fs.ReadFile(files, "proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range bytes.Lines(info) {
		if key, name, _ := bytes.Cut(line, []byte(":")); string(bytes.TrimSpace(key)) == "model name" {
			return string(bytes.TrimSpace(name))
		}
	}
	return ""
}

// findProcessor finds the row whose model's words stand in a processor's name, the one with the most of them where there
// are several: "Intel(R) Xeon(R) CPU E5-2699 v3 @ 2.30GHz" is the row "E5-2699 v3", and would not be a row "E5-2699".
func findProcessor(name string) (best processor, ok bool) {
	words := modelWords(name)
	for _, p := range processors() {
		if strings.Contains(words, modelWords(p.model)) && len(p.model) > len(best.model) {
			best, ok = p, true
		}
	}
	first := strings.HasPrefix(best.model, "E5-") && !strings.Contains(best.model, " v")
	if first && strings.Contains(words, modelWords(best.model)+"v") {
		return processor{}, false // a later generation of the same number
	}
	return best, ok
}

// modelWords brings a name into the form that is compared: lower case, no marks, no word "cpu", a blank on both sides.
func modelWords(name string) string {
	name = strings.ToLower(name)
	for _, mark := range []string{"(r)", "(tm)"} {
		name = strings.ReplaceAll(name, mark, " ")
	}
	var words []string
	for _, w := range strings.Fields(name) {
		if w != "cpu" {
			words = append(words, w)
		}
	}
	return " " + strings.Join(words, " ") + " "
}
