package store

import (
	"fmt"

	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/klauspost/compress/zstd"
)

// zstdCodec is Arrow's codec for zstd less three faults of its v17: it made a new encoder, megabytes of tables, for each
// page (a file of 50 columns took 100 of them), its shared one keeps 16 MB for each processor of the machine, and it decoded
// a page to whatever size the page grew to.
type zstdCodec struct {
	compress.Codec
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

// zstdWindow is how far back the encoder looks: no further than the pages that Arrow's writer makes.
const zstdWindow = 1 << 20

func init() {
	arrows, err := compress.GetCodec(compress.Codecs.Zstd)
	if err != nil {
		panic(fmt.Sprintf("store: no zstd: %v", err))
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxAlloc), zstd.WithDecoderConcurrency(0))
	if err != nil {
		panic(fmt.Sprintf("store: no zstd: %v", err))
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithZeroFrames(true), zstd.WithEncoderConcurrency(1),
		zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(zstdWindow))
	if err != nil {
		panic(fmt.Sprintf("store: no zstd: %v", err))
	}
	compress.RegisterCodec(compress.Codecs.Zstd, &zstdCodec{arrows, encoder, decoder})
}

// Encode compresses a page.
func (z *zstdCodec) Encode(dst, src []byte) []byte { return z.encoder.EncodeAll(src, dst[:0]) }

// EncodeLevel is Encode: all of this package's files have the default level.
func (z *zstdCodec) EncodeLevel(dst, src []byte, _ int) []byte { return z.Encode(dst, src) }

// Decode panics on a corrupt page, as the interface has no other way and Arrow's own codec does; guard recovers.
func (z *zstdCodec) Decode(dst, src []byte) []byte {
	out, err := z.decoder.DecodeAll(src, dst[:0])
	if err != nil {
		panic(err)
	}
	return out
}
