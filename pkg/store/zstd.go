package store

import (
	"fmt"

	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/klauspost/compress/zstd"
)

// zstdCodec is Arrow's codec for zstd less two faults of its v17: it made a new encoder, megabytes of tables, for each
// page (a file of 50 columns took 100 of them), and it decoded a page to whatever size the page grew to.
type zstdCodec struct {
	compress.Codec
	decoder *zstd.Decoder
}

func init() {
	arrows, err := compress.GetCodec(compress.Codecs.Zstd)
	if err != nil {
		panic(fmt.Sprintf("store: no zstd: %v", err))
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxAlloc), zstd.WithDecoderConcurrency(0))
	if err != nil {
		panic(fmt.Sprintf("store: no zstd: %v", err))
	}
	compress.RegisterCodec(compress.Codecs.Zstd, &zstdCodec{arrows, decoder})
}

// EncodeLevel compresses with the encoder that Encode shares. All of this package's files have the default level.
func (z *zstdCodec) EncodeLevel(dst, src []byte, _ int) []byte { return z.Encode(dst, src) }

// Decode panics on a corrupt page, as the interface has no other way and Arrow's own codec does; guard recovers.
func (z *zstdCodec) Decode(dst, src []byte) []byte {
	out, err := z.decoder.DecodeAll(src, dst[:0])
	if err != nil {
		panic(err)
	}
	return out
}
