package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Widen decodes len(dst) numbers of type dtype from src, little-endian, into dst. F16 and BF16 widen without loss.
func Widen(dst []float32, dtype DType, src []byte) error {
	if int64(len(src)) != int64(len(dst))*dtype.Size() {
		return fmt.Errorf("widen %d numbers of type %s: saw %d bytes", len(dst), dtype, len(src))
	}
	switch dtype {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case F16:
		for i := range dst {
			dst[i] = halfToFloat(binary.LittleEndian.Uint16(src[2*i:]))
		}
	case BF16:
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
		}
	default:
		return fmt.Errorf("dtype: saw %q, want F32, F16 or BF16", string(dtype))
	}
	return nil
}

// halfToFloat widens an IEEE 754 binary16: sign, 5 bits of exponent (bias 15), 10 bits of fraction.
func halfToFloat(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exponent, fraction := uint32(h>>10)&0x1f, uint32(h)&0x3ff
	switch exponent {
	case 0: // zero or subnormal: fraction * 2^-24, exact in float32
		f := float32(fraction) * (1.0 / (1 << 24))
		return math.Float32frombits(math.Float32bits(f) | sign)
	case 0x1f: // infinity or NaN
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}

// Encode writes src as little-endian F32 into dst, which must have room for 4*len(src) bytes.
func Encode(dst []byte, src []float32) {
	for i, v := range src {
		binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(v))
	}
}
