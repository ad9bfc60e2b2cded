package telemetry

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/banterhearts/bh/pkg/atomicfile"
	"github.com/banterhearts/bh/pkg/record"
)

// Journal keeps a recording on disk while it grows: JSON-lines, synced with every Append, so that what was appended
// survives a crash. It is a file of samples like any other, except that its last line may be torn and that columns without
// a value are left out, which are most.
type Journal struct {
	j     *atomicfile.Journal
	lines []byte // to be used again
}

// JournalName is the journal of the recording that will become output. It stands beside output and, by its extension,
// can be read as it is.
func JournalName(output string) string { return output + ".journal.jsonl" }

// OpenJournal opens name for appending, after cutting off a torn last line.
func OpenJournal(name string) (*Journal, error) {
	j, _, err := atomicfile.OpenJournal(name)
	if err != nil {
		return nil, err
	}
	return &Journal{j: j}, nil
}

// Append adds samples; they are on disk when it returns.
func (j *Journal) Append(samples []record.Sample) error {
	j.lines = j.lines[:0]
	for i := range samples {
		var err error
		if j.lines, err = appendLine(j.lines, &samples[i]); err != nil {
			return err
		}
	}
	return j.j.AppendLines(j.lines)
}

// Restart empties the journal, when its samples are safe elsewhere.
func (j *Journal) Restart() error { return j.j.Restart() }

// Close closes the file; every sample is already on disk.
func (j *Journal) Close() error { return j.j.Close() }

// sampleFields are the columns of a sample: the start of each as JSON, by the index of its field.
var sampleFields = func() (keys []string) {
	for _, f := range reflect.VisibleFields(reflect.TypeFor[record.Sample]()) {
		keys = append(keys, strconv.Quote(f.Tag.Get("json"))+":")
	}
	return keys
}()

// appendLine appends a sample as a line of JSON without the columns that are null or empty. Package encoding/json takes
// three times as long for a row, most of it for columns without a value.
func appendLine(dst []byte, s *record.Sample) ([]byte, error) {
	row := reflect.ValueOf(s).Elem()
	open := byte('{')
	for i, key := range sampleFields {
		v := row.Field(i)
		if v.IsZero() {
			continue
		}
		dst = append(append(dst, open), key...)
		open = ','
		if v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		switch {
		case v.CanInt():
			dst = strconv.AppendInt(dst, v.Int(), 10)
		case v.CanFloat():
			if math.IsNaN(v.Float()) || math.IsInf(v.Float(), 0) {
				return dst, fmt.Errorf("column %s: saw %v, which JSON does not have", key, v.Float())
			}
			dst = strconv.AppendFloat(dst, v.Float(), 'g', -1, 64)
		default:
			dst = appendText(dst, v.String())
		}
	}
	return append(dst, "}\n"...), nil
}

// appendText appends s as a JSON string. Those of samples are plain, but the name of a sensor may be anything.
func appendText(dst []byte, s string) []byte {
	plain := !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' })
	if plain {
		return append(append(append(dst, '"'), s...), '"')
	}
	text, err := json.Marshal(s)
	if err != nil { // a string has none
		panic(err)
	}
	return append(dst, text...)
}
