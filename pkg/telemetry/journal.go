package telemetry

import (
	"bytes"
	"encoding/json"

	"github.com/banterhearts/bh/pkg/atomicfile"
	"github.com/banterhearts/bh/pkg/record"
)

// Journal keeps a recording on disk while it grows: JSON-lines, synced with every Append, so that what was appended
// survives a crash. It is a file of samples like any other, except that its last line may be torn.
type Journal struct{ j *atomicfile.Journal }

// JournalName is the journal of the recording that will become output. It stands beside output and, by its extension,
// can be read as it is.
func JournalName(output string) string { return output + ".journal.jsonl" }

// OpenJournal opens name for appending, after cutting off a torn last line.
func OpenJournal(name string) (*Journal, error) {
	j, _, err := atomicfile.OpenJournal(name)
	if err != nil {
		return nil, err
	}
	return &Journal{j}, nil
}

// Append adds samples; they are on disk when it returns.
func (j *Journal) Append(samples []record.Sample) error {
	var lines bytes.Buffer
	enc := json.NewEncoder(&lines)
	for i := range samples {
		if err := enc.Encode(&samples[i]); err != nil {
			return err
		}
	}
	return j.j.AppendLines(lines.Bytes())
}

// Close closes the file; every sample is already on disk.
func (j *Journal) Close() error { return j.j.Close() }
