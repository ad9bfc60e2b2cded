package energy

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/record"
)

// device is what one source says of one device around a window.
type device struct {
	source, name                    string
	counter, power, temp, mem, util series
	near                            bool // read within reach of the window
	throttled, shared               bool // seen inside the window
}

// hasPower reports whether the source measures power of the device at all, near the window or not.
func (d *device) hasPower() bool { return d.counter != nil || d.power != nil }

// devices groups samples by source and device, sorted by both. Readings too far from w to matter are left out of the
// series, but a device that was read long before is not left out itself: a processor package that fell silent must not
// vanish from a sum.
func devices(samples []record.Sample, w Window) []*device {
	type key struct{ source, device string }
	byKey := map[key]*device{}
	reach := int64(max(w.Length(), MaxGap))
	for i := range samples {
		s := &samples[i]
		if w.Host != "" && s.Host != w.Host || s.TSUnixNS > w.End+reach {
			continue
		}
		k := key{s.Source, s.Device}
		d := byKey[k]
		if d == nil {
			d = &device{source: s.Source, name: s.Device}
			byKey[k] = d
		}
		d.add(s, w, reach)
	}
	out := slices.SortedFunc(maps.Values(byKey), func(a, b *device) int {
		return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.name, b.name))
	})
	for _, d := range out {
		for _, s := range []series{d.counter, d.power, d.temp, d.mem, d.util} {
			s.sort()
		}
	}
	return out
}

// add takes one sample in. A quantity's series is made, though empty, by a reading out of reach.
func (d *device) add(s *record.Sample, w Window, reach int64) {
	near := s.TSUnixNS >= w.Start-reach
	d.near = d.near || near
	take(&d.counter, s.TSUnixNS, s.EnergyCounterJoules, near)
	take(&d.power, s.TSUnixNS, s.PowerW, near)
	take(&d.temp, s.TSUnixNS, s.TempC, near)
	take(&d.mem, s.TSUnixNS, s.MemUsedBytes, near)
	take(&d.util, s.TSUnixNS, s.UtilPct, near)
	if s.TSUnixNS >= w.Start && s.TSUnixNS <= w.End {
		d.throttled = d.throttled || s.Throttle != ""
		d.shared = d.shared || s.Processes != nil && *s.Processes > 1
	}
}

func take[T ~float64 | ~int64](to *series, ts int64, v *T, near bool) {
	switch {
	case v == nil:
	case near:
		*to = append(*to, point{ts, float64(*v)})
	case *to == nil:
		*to = series{}
	}
}

// is reports whether the device is of the given class: "gpu:0" is a GPU, "cpu", "cpu:0" are the processor.
func (d *device) is(class record.Device) bool {
	kind, _, _ := strings.Cut(d.name, ":")
	return kind == string(class)
}
