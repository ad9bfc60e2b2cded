//go:build linux && cgo

package telemetry

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/banterhearts/bh/pkg/units"
)

func TestNVMLPower(t *testing.T) {
	only := func(id uint32) func([]nvml.FieldValue) nvml.Return {
		return func(v []nvml.FieldValue) nvml.Return {
			powers(v)
			for i := range v {
				if v[i].FieldId != id {
					v[i].NvmlReturn = uint32(nvml.ERROR_NOT_SUPPORTED)
				}
			}
			return nvml.SUCCESS
		}
	}
	ga100, ga102, volta, hopper := [2]int{8, 0}, [2]int{8, 6}, [2]int{7, 0}, [2]int{9, 0}
	for _, c := range []struct {
		name             string
		card             card
		instant, average float64 // watts, 0 for none
		detail           string
		asked            []string
	}{
		{"both fields", card{capability: hopper}, 123.456, 100, "instantaneous power", []string{"fields"}},
		{"instantaneous field alone", card{capability: volta, fields: only(nvml.FI_DEV_POWER_INSTANT)}, 123.456, 0,
			"instantaneous power", []string{"fields"}},
		{"averaged field alone", card{capability: ga102, fields: only(nvml.FI_DEV_POWER_AVERAGE)}, 0, 100,
			"power averaged over 1 s only", []string{"fields"}},
		{"averaged field alone, GA100", card{capability: ga100, fields: only(nvml.FI_DEV_POWER_AVERAGE)}, 111, 100,
			"instantaneous power", []string{"fields", "usage"}},
		{"no field, GA100", card{capability: ga100, fields: noPowers}, 111, 0, "instantaneous power", []string{"usage"}},
		{"no field, Volta", card{capability: volta, fields: noPowers}, 111, 0, "instantaneous power", []string{"usage"}},
		{"no field, GA102", card{capability: ga102, fields: noPowers}, 0, 111, "power averaged over 1 s only", []string{"usage"}},
		{"no field, Hopper", card{capability: hopper, fields: noPowers}, 0, 111, "power averaged over 1 s only", []string{"usage"}},
		{"fields fail", card{capability: ga100, fails: "fields", ret: nvml.ERROR_INVALID_ARGUMENT}, 111, 0,
			"instantaneous power", []string{"usage"}},
		{"generation not known", card{fields: noPowers, fails: "capability", ret: nvml.ERROR_UNKNOWN}, 0, 111,
			"power averaged over 1 s only", []string{"usage"}},
		{"no power at all", card{fields: noPowers, fails: "usage", ret: nvml.ERROR_NOT_SUPPORTED}, 0, 0, "no power", nil},
	} {
		src, detail := openCards(t, machine(nil), []*card{&c.card})
		if !strings.Contains(detail, ", "+c.detail+")") {
			t.Errorf("%s: saw detail %q, want %q", c.name, detail, c.detail)
		}
		s := read(t, src, epoch)[0]
		value := func(w *units.Watts) float64 {
			if w == nil {
				return 0
			}
			return float64(*w)
		}
		if value(s.PowerW) != c.instant || value(s.PowerAvgW) != c.average || (s.PowerAvgNS != nil) != (c.average > 0) {
			t.Errorf("%s: saw %v W and a mean of %v W over %v ns, want %v and %v", c.name, value(s.PowerW), value(s.PowerAvgW), s.PowerAvgNS,
				c.instant, c.average)
		}
		asked := slices.DeleteFunc(c.card.asked, func(call string) bool { return call != "fields" && call != "usage" })
		if !slices.Equal(asked, c.asked) {
			t.Errorf("%s: saw %v asked for, want %v", c.name, asked, c.asked)
		}
	}
}

// A field that fails later is told of, and the other one stays.
func TestNVMLPowerFieldFails(t *testing.T) {
	c := &card{}
	src, _ := openCards(t, machine(nil), []*card{c})
	c.fields = func(v []nvml.FieldValue) nvml.Return {
		powers(v)
		v[0].NvmlReturn = uint32(nvml.ERROR_UNKNOWN)
		return nvml.SUCCESS
	}
	got, err := src.Sample(epoch, nil)
	if err == nil || !strings.Contains(err.Error(), "NVML_FI_DEV_POWER_INSTANT") || got[0].PowerW != nil || *got[0].PowerAvgW != 100 {
		t.Errorf("saw %v, %v W and a mean of %v", err, got[0].PowerW, got[0].PowerAvgW)
	}
}

func TestFieldValueTypes(t *testing.T) {
	put := func(v uint64) (b [8]byte) {
		binary.NativeEndian.PutUint64(b[:], v)
		return b
	}
	small := func(put func([]byte)) (b [8]byte) {
		for i := range b {
			b[i] = 0xff // what else stands in the union
		}
		put(b[:])
		return b
	}
	u32 := small(func(b []byte) { binary.NativeEndian.PutUint32(b, 250000) })
	for _, c := range []struct {
		kind  nvml.ValueType
		value [8]byte
		want  float64
		ret   nvml.Return
	}{
		{nvml.VALUE_TYPE_DOUBLE, put(math.Float64bits(250000.5)), 250000.5, nvml.SUCCESS},
		{nvml.VALUE_TYPE_UNSIGNED_INT, u32, 250000, nvml.SUCCESS},
		{nvml.VALUE_TYPE_SIGNED_INT, u32, 250000, nvml.SUCCESS},
		{nvml.VALUE_TYPE_UNSIGNED_LONG, put(250000), 250000, nvml.SUCCESS},
		{nvml.VALUE_TYPE_UNSIGNED_LONG_LONG, put(250000), 250000, nvml.SUCCESS},
		{nvml.VALUE_TYPE_SIGNED_LONG_LONG, put(250000), 250000, nvml.SUCCESS},
		{nvml.VALUE_TYPE_UNSIGNED_SHORT, small(func(b []byte) { binary.NativeEndian.PutUint16(b, 2500) }), 2500, nvml.SUCCESS},
		{nvml.VALUE_TYPE_COUNT, put(1), 0, nvml.ERROR_NOT_SUPPORTED},
		{nvml.VALUE_TYPE_DOUBLE, put(math.Float64bits(math.NaN())), 0, nvml.ERROR_UNKNOWN},
		{nvml.VALUE_TYPE_SIGNED_INT, put(math.MaxUint64), 0, nvml.ERROR_UNKNOWN}, // -1
		{nvml.VALUE_TYPE_UNSIGNED_LONG_LONG, put(math.MaxUint64), 0, nvml.ERROR_UNKNOWN},
	} {
		f := nvml.FieldValue{ValueType: uint32(c.kind), Value: c.value}
		if got, ret := milliwatts(&f); got != c.want || ret != c.ret {
			t.Errorf("type %d: saw %v, code %d, want %v, code %d", c.kind, got, ret, c.want, c.ret)
		}
		f.NvmlReturn = uint32(nvml.ERROR_NOT_SUPPORTED)
		if _, ret := milliwatts(&f); ret != nvml.ERROR_NOT_SUPPORTED {
			t.Errorf("type %d: saw code %d, want the field's own", c.kind, ret)
		}
	}
}
