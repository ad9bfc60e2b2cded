package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	flatbuffers "github.com/google/flatbuffers/go"
)

// The places of what is checked below, by the tables of Message.fbs and Schema.fbs of the Arrow format (version 5).
const (
	messageHeader                = 8
	schemaFields, schemaMetadata = 6, 8
	fieldChildren, fieldMetadata = 14, 16
	messagePrefix                = 8  // continuation marker and length
	refSize                      = 4  // of a reference in a vector
	maxNesting                   = 16 // of fields; records have two levels
)

// errNoSchema says that a stream does not begin with a schema message.
var errNoSchema = errors.New("no schema message")

// checkSchemaMessage looks at the schema message that a stream begins with before Arrow does. Arrow's reader allocates by
// the vector lengths it finds there, hundreds of gigabytes for a single flipped bit, and running out of memory ends the
// process: it is no panic to recover from. Later messages hold no such lengths.
func checkSchemaMessage(in *input) error {
	prefix, err := in.Peek(messagePrefix)
	if err != nil || binary.LittleEndian.Uint32(prefix) != 0xFFFFFFFF {
		return errNoSchema
	}
	size := binary.LittleEndian.Uint32(prefix[4:])
	if size > readBuffer-messagePrefix {
		return fmt.Errorf("a schema of %d bytes, want at most %d", size, readBuffer-messagePrefix)
	}
	message, err := in.Peek(messagePrefix + int(size))
	if err != nil {
		return errCut
	}
	return guard(func() error {
		root := flatbuffers.Table{Bytes: message[messagePrefix:]}
		root.Pos = root.GetUOffsetT(0)
		at := root.Offset(messageHeader)
		if at == 0 {
			return errNoSchema
		}
		var schema flatbuffers.Table
		root.Union(&schema, flatbuffers.UOffsetT(at))
		if _, err := vector(schema, schemaMetadata); err != nil {
			return err
		}
		return checkFields(schema, schemaFields, maxNesting)
	})
}

// checkFields checks the fields that stand in a vector of t, and theirs.
func checkFields(t flatbuffers.Table, slot flatbuffers.VOffsetT, depth int) error {
	if depth == 0 {
		return fmt.Errorf("fields nested more than %d deep", maxNesting)
	}
	fields, err := vector(t, slot)
	if err != nil {
		return err
	}
	for _, field := range fields {
		if _, err := vector(field, fieldMetadata); err != nil {
			return err
		}
		if err := checkFields(field, fieldChildren, depth-1); err != nil {
			return err
		}
	}
	return nil
}

// vector is the tables in a vector of t; it refuses a vector longer than the message has room for.
func vector(t flatbuffers.Table, slot flatbuffers.VOffsetT) ([]flatbuffers.Table, error) {
	at := flatbuffers.UOffsetT(t.Offset(slot))
	if at == 0 {
		return nil, nil
	}
	n := t.VectorLen(at)
	if n < 0 || n > len(t.Bytes)/refSize {
		return nil, fmt.Errorf("a list of %d entries in a schema of %d bytes", n, len(t.Bytes))
	}
	tables := make([]flatbuffers.Table, n)
	for i := range tables {
		ref := t.Vector(at) + flatbuffers.UOffsetT(i*refSize)
		tables[i] = flatbuffers.Table{Bytes: t.Bytes, Pos: t.Indirect(ref)}
	}
	return tables, nil
}
