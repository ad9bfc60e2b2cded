package model

import (
	"bytes"
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"

	"github.com/banterhearts/bh/pkg/model/safetensors"
)

func TestTransposingInStripsOfAnyWidth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows, columns := rapid.IntRange(1, 80).Draw(t, "rows"), rapid.IntRange(1, 80).Draw(t, "columns")
		const before = 7
		file := make([]byte, before, before+4*rows*columns)
		for i := range uint32(rows * columns) {
			file = binary.LittleEndian.AppendUint32(file, i)
		}
		c := &copier{weights: bytes.NewReader(file), stripBytes: rapid.Int64Range(1, int64(len(file))).Draw(t, "strip")}
		at := safetensors.Tensor{Shape: []int64{int64(rows), int64(columns)}, Offset: before, Length: int64(4 * rows * columns)}
		var out bytes.Buffer
		if err := c.transposed(&out, at); err != nil {
			t.Fatal(err)
		}
		if out.Len() != 4*rows*columns {
			t.Fatalf("saw %d bytes, want %d", out.Len(), 4*rows*columns)
		}
		for column := range columns {
			for row := range rows {
				got, want := binary.LittleEndian.Uint32(out.Bytes()[4*(column*rows+row):]), uint32(row*columns+column)
				if got != want {
					t.Fatalf("row %d, column %d: saw number %d, want %d", row, column, got, want)
				}
			}
		}
	})
}
