package energy

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/banterhearts/bh/pkg/record"
)

func byTime(samples []record.Sample) {
	slices.SortStableFunc(samples, func(a, b record.Sample) int { return cmp.Compare(a.TSUnixNS, b.TSUnixNS) })
}

func onHost(name string, samples []record.Sample) []record.Sample {
	out := slices.Clone(samples)
	for i := range out {
		out[i].Host = name
	}
	return out
}

// The stream gives what Apply gives with all samples at hand, for runs in any order, on several hosts.
func TestJoinerEqualsApply(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		samples := recording(t)
		if rapid.Bool().Draw(t, "silent") { // a package stops being read
			samples = slices.DeleteFunc(samples, func(s record.Sample) bool { return s.Device == "cpu:1" && s.TSUnixNS > t0+1000*ms })
		}
		samples = append(samples, onHost("other", samples)...)
		byTime(samples)
		var runs []*record.Run
		at := -1500 * ms
		for i := range rapid.IntRange(1, 8).Draw(t, "runs") {
			at += rapid.Int64Range(0, 1500*ms).Draw(t, "pause")
			length := rapid.Int64Range(1*ms, 1200*ms).Draw(t, "length")
			r := okRun(fmt.Sprint(i), rapid.SampledFrom([]record.Device{record.CPU, record.GPU}).Draw(t, "device"), at, at+length, 3)
			r.Host = rapid.SampledFrom([]string{"h", "other", "unseen"}).Draw(t, "host")
			runs = append(runs, r)
			at += length
		}
		runs = rapid.Permutation(runs).Draw(t, "order")
		j := NewJoiner()
		var want []record.Run
		unmeasured := 0
		for _, r := range runs {
			w := *r
			Apply(&w, samples)
			if whole := Of(samples, must(windowOf(r))); (whole.Joules == nil) != (w.EnergyJoules == nil) ||
				whole.Joules != nil && math.Abs(float64(*whole.Joules-3**w.EnergyJoules)) > 1e-9 {
				t.Fatalf("run %s: saw %+v, want the energy of all samples at once, %+v", r.RunID, w, whole)
			}
			want = append(want, w)
			if w.EnergyJoules == nil {
				unmeasured++
			}
			if err := j.Add(r); err != nil {
				t.Fatal(err)
			}
		}
		for i := range samples {
			j.Sample(&samples[i])
		}
		sum := j.Finish()
		for i, r := range runs {
			if !reflect.DeepEqual(*r, want[i]) {
				t.Fatalf("run %s: saw %+v, want %+v", r.RunID, *r, want[i])
			}
		}
		if sum != (Summary{Runs: len(runs), OK: len(runs), Unmeasured: unmeasured, Samples: len(samples)}) {
			t.Fatalf("saw %+v, want %d runs, %d unmeasured, %d samples", sum, len(runs), unmeasured, len(samples))
		}
	})
}

func must(w Window, ok bool) Window {
	if !ok {
		panic("a run without a window")
	}
	return w
}

// An hour of samples and a run every ten seconds: what is held at any time is what one window needs.
func TestJoinerHoldsOneWindow(t *testing.T) {
	j := NewJoiner()
	var runs []*record.Run
	for i := range int64(360) {
		r := okRun(fmt.Sprint(i), record.CPU, i*10_000*ms, i*10_000*ms+1000*ms, 1)
		runs = append(runs, r)
		if err := j.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	most := 0
	counter := counterAt(func(s float64) float64 { return 40*s + 1000 })
	for at := -1000 * ms; at <= 3_600_000*ms; at += 50 * ms {
		s := reading("rapl", "cpu:0", at, counter)
		j.Sample(&s)
		most = max(most, held(j))
	}
	if sum := j.Finish(); sum.Unmeasured != 0 {
		t.Errorf("saw %+v, want energy for all runs", sum)
	}
	if most > 180 {
		t.Errorf("held %d readings at once, want about the 160 of a window with what is around it", most)
	}
	for _, r := range runs {
		if r.PowerMeanW == nil || *r.PowerMeanW < 39.999 || *r.PowerMeanW > 40.001 {
			t.Fatalf("run %s: saw %v", r.RunID, r.PowerMeanW)
		}
	}
}

// held is the most readings of one quantity that a joiner holds for host h.
func held(j *Joiner) (n int) {
	for _, d := range j.hosts["h"].history {
		for _, s := range d.all() {
			n = max(n, len(*s))
		}
	}
	return n
}

// Readings stand in order at all times, whatever order they came in, so that a long window is not put in order again and
// again; and what is there already is not there twice.
func TestReadingsStayInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, again := history{}, 0
		told := map[point]bool{}
		for i, at := range rapid.SliceOf(rapid.Int64Range(0, 20)).Draw(t, "times") {
			p := point{t0 + at, rapid.SampledFrom([]float64{1, 2, 3}).Draw(t, fmt.Sprint("value ", i))}
			s := reading("hwmon", "gpu:0", at, powerAt(func(float64) float64 { return p.v }))
			if h.add(&s) != told[p] {
				t.Fatalf("reading %d, %v: saw told before: %t, want %t", i, p, !told[p], told[p])
			}
			if told[p] {
				again++
			}
			told[p] = true
			got := h[sensor{"hwmon", "gpu:0"}].power
			if len(got) != len(told) || !slices.IsSortedFunc(got, func(a, b point) int { return cmp.Or(cmp.Compare(a.ts, b.ts), cmp.Compare(a.v, b.v)) }) {
				t.Fatalf("saw %v after %d readings, %d of them again: want them in order", got, i+1, again)
			}
		}
	})
}

// A sample of which a part is new is not told again, nor is one that tells nothing.
func TestRepeatedSamples(t *testing.T) {
	h := history{}
	power := powerAt(func(float64) float64 { return 5 })
	for i, c := range []struct {
		s    record.Sample
		want bool
	}{
		{reading("hwmon", "gpu:0", 0, power), false},
		{reading("hwmon", "gpu:0", 0, power), true},
		{reading("hwmon", "gpu:0", 0, both(power, counterAt(func(float64) float64 { return 1 }))), false},
		{reading("hwmon", "gpu:1", 0, power), false},
		{reading("nvml", "gpu:0", 0, power), false},
		{reading("hwmon", "gpu:0", 0, func(*record.Sample) {}), false},
		{reading("hwmon", "gpu:0", 1, power), false},
		{reading("hwmon", "gpu:0", 0, power), true},
	} {
		if got := h.add(&c.s); got != c.want {
			t.Errorf("sample %d: saw told before: %t, want %t", i, got, c.want)
		}
	}
}

// A recording beside its copy gives what it gives alone, and says how much was there twice.
func TestJoinerCountsACopyOnce(t *testing.T) {
	noise := func(s float64) float64 { return 150 + 20*math.Sin(s*s) }
	samples := slices.Concat(wallRows(300*ms, 0, 30_000*ms, func(int64) int64 { return 0 }),
		every(1000*ms, 0, 30_000*ms, "hwmon", "gpu:0", powerAt(noise)),
		every(50*ms, 0, 30_000*ms, "rapl", "cpu:0", counterAt(func(s float64) float64 { return 40 * s })))
	byTime(samples)
	for _, device := range []record.Device{record.GPU, record.CPU} {
		var got [2]*record.Run
		var sums [2]Summary
		for i, recordings := range [][]iter.Seq2[*record.Sample, error]{{stream(samples, nil)}, {stream(samples, nil), stream(samples, nil)}} {
			got[i] = okRun("1", device, 8_300*ms, 22_100*ms, 1)
			j := NewJoiner()
			if err := j.Add(got[i]); err != nil {
				t.Fatal(err)
			}
			for s := range Merge(recordings...) {
				j.Sample(s)
			}
			sums[i] = j.Finish()
		}
		if got[0].EnergyJoules == nil || !reflect.DeepEqual(got[0], got[1]) {
			t.Errorf("%s: saw %+v with a copy, want %+v", device, got[1], got[0])
		}
		if want := 31 + 601; sums[0].Repeated != 0 || sums[1].Repeated != want || sums[1].Disordered != 0 {
			t.Errorf("%s: saw %+v with a copy, want %d repeated and none without, saw %+v", device, sums[1], want, sums[0])
		}
	}
}

// Where samples are not in order of time the reason is that, and not that there are none; of a window far from them it is not.
func TestJoinerTellsOfDisorder(t *testing.T) {
	samples := every(50*ms, 0, 60_000*ms, "rapl", "cpu:0", counterAt(func(s float64) float64 { return 40 * s }))
	sorted, reversed := slices.Clone(samples), slices.Clone(samples)
	slices.Reverse(reversed)
	for want, c := range map[string]struct {
		samples []record.Sample
		from    int64
	}{
		CounterOnly: {sorted, 10_000 * ms}, Disordered: {reversed, 10_000 * ms}, NoSamples: {reversed, 100_000 * ms},
	} {
		run := okRun("1", record.CPU, c.from, c.from+2000*ms, 1)
		j := NewJoiner()
		if err := j.Add(run); err != nil {
			t.Fatal(err)
		}
		for i := range c.samples {
			j.Sample(&c.samples[i])
		}
		if j.Finish(); run.EnergyReasons != want {
			t.Errorf("saw %s, want %s", run.EnergyReasons, want)
		}
	}
}

// A recording behind a later one is too late for its windows, and is not held for none.
func TestJoinerHoldsNothingTooLate(t *testing.T) {
	j := NewJoiner()
	if err := j.Add(okRun("1", record.CPU, 990_000*ms, 991_000*ms, 1)); err != nil {
		t.Fatal(err)
	}
	counter := counterAt(func(s float64) float64 { return 40 * s })
	for _, samples := range [][]record.Sample{
		every(50*ms, 900_000*ms, 992_000*ms, "rapl", "cpu:0", counter), every(50*ms, 0, 900_000*ms, "rapl", "cpu:0", counter),
	} {
		for i := range samples {
			j.Sample(&samples[i])
		}
	}
	if n := held(j); n > 120 {
		t.Errorf("held %d readings, want about the 100 around the window", n)
	}
	if sum := j.Finish(); sum.Disordered != 18_001 || sum.Unmeasured != 0 {
		t.Errorf("saw %+v, want 18001 samples out of order, and energy", sum)
	}
}

func TestJoinerMarksRunsThatOverlap(t *testing.T) {
	runs := []*record.Run{
		okRun("beside a GPU run", record.CPU, 500*ms, 1000*ms, 1),
		okRun("long", record.CPU, 2000*ms, 4000*ms, 1),
		okRun("inside", record.CPU, 2100*ms, 2700*ms, 1),
		okRun("later inside", record.CPU, 3000*ms, 3600*ms, 1),
		okRun("gpu", record.GPU, 2000*ms, 3000*ms, 1),
		okRun("elsewhere", record.CPU, 2000*ms, 3000*ms, 1),
		okRun("touching", record.CPU, 4000*ms, 4800*ms, 1),
		okRun("feeds a GPU", record.GPU, 900*ms, 1600*ms, 1), // with the processor that the first is measured on
	}
	runs[5].Host = "other"
	samples := every(50*ms, 0, 5000*ms, "rapl", "cpu:0", counterAt(func(s float64) float64 { return 40 * s }))
	samples = append(samples, every(50*ms, 0, 5000*ms, "nvml", "gpu:0", counterAt(func(s float64) float64 { return 40 * s }))...)
	samples = append(samples, onHost("other", samples)...)
	byTime(samples)
	j := NewJoiner()
	for _, r := range runs {
		if err := j.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	for i := range samples {
		j.Sample(&samples[i])
	}
	j.Finish()
	for i, want := range []string{"counter_only,shared", "counter_only,shared", "counter_only,shared", "counter_only,shared",
		"counter_only", "counter_only", "counter_only", "counter_only"} {
		if runs[i].EnergyReasons != want {
			t.Errorf("%s: saw %q, want %q", runs[i].RunID, runs[i].EnergyReasons, want)
		}
	}
}

func TestJoinerCounts(t *testing.T) {
	j := NewJoiner()
	degraded := okRun("1", record.CPU, 0, 1000*ms, 1)
	degraded.Status = record.Degraded
	for _, r := range []*record.Run{degraded, okRun("2", record.CPU, 0, 1000*ms, 1)} {
		if err := j.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	for _, at := range []int64{10, 30, 20} {
		s := reading("rapl", "cpu:0", at*ms, func(*record.Sample) {})
		j.Sample(&s)
	}
	if err := j.Add(okRun("3", record.CPU, 0, 1000*ms, 1)); err == nil {
		t.Error("saw no error for a run added after the first sample")
	}
	if got, want := j.Finish(), (Summary{Runs: 2, OK: 1, Unmeasured: 1, Samples: 3, Disordered: 1}); got != want {
		t.Errorf("saw %+v, want %+v", got, want)
	}
}

func stream(samples []record.Sample, end error) iter.Seq2[*record.Sample, error] {
	return func(yield func(*record.Sample, error) bool) {
		for i := range samples {
			if !yield(&samples[i], nil) {
				return
			}
		}
		if end != nil {
			yield(nil, end)
		}
	}
}

func TestMerge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []int64
		var streams []iter.Seq2[*record.Sample, error]
		for range rapid.IntRange(0, 4).Draw(t, "recordings") {
			times := rapid.SliceOf(rapid.Int64Range(0, 50)).Draw(t, "times")
			slices.Sort(times)
			all = append(all, times...)
			var samples []record.Sample
			for _, at := range times {
				samples = append(samples, record.Sample{TSUnixNS: at})
			}
			streams = append(streams, stream(samples, nil))
		}
		slices.Sort(all)
		var got []int64
		for s, err := range Merge(streams...) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, s.TSUnixNS)
		}
		if !slices.Equal(got, all) {
			t.Fatalf("saw %v, want %v", got, all)
		}
	})
}

func TestMergeStopsAtAnError(t *testing.T) {
	broken := errors.New("torn")
	a := every(50*ms, 0, 1000*ms, "rapl", "cpu:0", func(*record.Sample) {})
	n, last := 0, error(nil)
	for _, err := range Merge(stream(a, nil), stream(a[:3], broken), stream(nil, nil)) {
		n, last = n+1, err
	}
	if !errors.Is(last, broken) || n != 6+1 {
		t.Errorf("saw %v after %d, want the error after three of each", last, n-1)
	}
}

func TestMergeEndsEarly(t *testing.T) {
	a := every(50*ms, 0, 1000*ms, "rapl", "cpu:0", func(*record.Sample) {})
	for s := range Merge(stream(a, nil), stream(a, nil)) {
		if s.TSUnixNS > t0 {
			break
		}
	}
}

// BenchmarkJoiner is the cost of one sample that belongs to an open window half of the time.
func BenchmarkJoiner(b *testing.B) {
	j := NewJoiner()
	for i := range int64(1000) {
		if err := j.Add(okRun(fmt.Sprint(i), record.CPU, i*2000*ms, i*2000*ms+1000*ms, 1)); err != nil {
			b.Fatal(err)
		}
	}
	at, counter := int64(0), counterAt(func(s float64) float64 { return 40 * s })
	s := reading("rapl", "cpu:0", 0, counter)
	b.ReportAllocs()
	for b.Loop() {
		s.TSUnixNS = t0 + at
		j.Sample(&s)
		at += int64(50 * time.Millisecond)
	}
}
