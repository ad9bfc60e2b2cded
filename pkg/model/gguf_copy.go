package model

import (
	"io"
	"slices"

	"github.com/banterhearts/bh/pkg/model/safetensors"
)

// stripBytes is how much of a tensor is transposed at once: all of the largest one of GPT-2 124M.
const stripBytes = 16 << 20

// copier copies tensors out of model.safetensors, turning a strip of columns at a time.
type copier struct {
	weights       io.ReaderAt
	stripBytes    int64
	strip, turned []byte
}

// plain writes a tensor's bytes as they are.
func (c *copier) plain(w io.Writer, at safetensors.Tensor) error {
	c.strip = slices.Grow(c.strip[:0], 1<<20)
	_, err := io.CopyBuffer(w, io.NewSectionReader(c.weights, at.Offset, at.Length), c.strip[:1<<20])
	return err
}

// transposed writes a matrix with its rows as columns.
func (c *copier) transposed(w io.Writer, at safetensors.Tensor) error {
	rows, columns := at.Shape[0], at.Shape[1]
	width := min(columns, max(1, c.stripBytes/(4*rows)))
	for first := int64(0); first < columns; first += width {
		n := min(width, columns-first)
		size := int(4 * rows * n)
		c.strip, c.turned = slices.Grow(c.strip[:0], size)[:size], slices.Grow(c.turned[:0], size)[:size]
		if err := c.read(at, first, n); err != nil {
			return err
		}
		transpose(c.turned, c.strip, int(rows), int(n))
		if _, err := w.Write(c.turned); err != nil {
			return err
		}
	}
	return nil
}

// read fills the strip with the n columns from first on: at once where they are the whole matrix, else row by row.
func (c *copier) read(at safetensors.Tensor, first, n int64) error {
	rows, columns := at.Shape[0], at.Shape[1]
	if n == columns {
		_, err := c.weights.ReadAt(c.strip, at.Offset)
		return err
	}
	for r := range rows {
		if _, err := c.weights.ReadAt(c.strip[4*r*n:4*(r+1)*n], at.Offset+4*(r*columns+first)); err != nil {
			return err
		}
	}
	return nil
}

// transpose writes the matrix src of four-byte numbers with its rows as columns. It goes through blocks that fit the
// processor's first cache.
func transpose(dst, src []byte, rows, columns int) {
	const block = 32
	for r0 := 0; r0 < rows; r0 += block {
		for c0 := 0; c0 < columns; c0 += block {
			for c := c0; c < min(c0+block, columns); c++ {
				for r := r0; r < min(r0+block, rows); r++ {
					copy(dst[4*(c*rows+r):][:4], src[4*(r*columns+c):][:4])
				}
			}
		}
	}
}
