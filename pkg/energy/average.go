package energy

import (
	"math"
	"time"
)

// averages integrates power over w from moving averages: readings of the mean power of the last span seconds, which is all
// that many chips give. NVIDIA's NVML reference says of nvmlDeviceGetPowerUsage: "On Ampere (except GA100) or newer GPUs, the
// API returns power averaged over 1 sec interval"; Yang, Adamek and Armour 2024, "Part-time Power Measurements: nvidia-smi's
// Lack of Attention" (arXiv:2312.02741; at SC24 as "Accurate and Convenient Energy Measurements for GPUs"), measure spans and
// update periods, and find readings that cover only a part of the time, which nothing here can correct.
//
// The mean of a boxcar of length T is exact: T*avg(t) is the integral of power over [t-T, t]. A window [s, e] of length
// kT + r is k such boxes, counted from its end, and a rest:
//
//	E = sum over j<k of T*avg(e - jT)  +  T*avg(s+r) - (T-r)*P
//
// where P is the mean power over [s+r-T, s], before the window. It is not known by itself; taken for it is avg(s), the mean
// over [s-T, s], which is right where the power was steady before the window, as an idle machine's is. How steady is seen
// from the averages before s, and is part of the bound:
//
//   - (T-r) times the most that an average in [s-T, s] differs from avg(s);
//   - noise: successive averages at distance u differ by (p1-p0)*u/T, where p0 and p1 are the mean powers of the piece that
//     left the box and of the one that came in, so that a piece has the standard deviation sd(differences)*T/(u*sqrt 2). The
//     energy of m of the M pieces of a box whose sum is known has the variance sd^2 u^2 m (1 - m/M). Three times its root is
//     taken: pieces that swing together move the sum by more than independent ones.
//
// Power that swings with a period of T, or of a part of it, leaves no trace in the averages, and cannot be told from none.
//
// It reports false where readings do not reach back far enough.
func averages(s series, w Window, span, told int64) (integral, bool) {
	if len(s) == 0 || s[0].ts > w.Start-span {
		return integral{}, false
	}
	r := renewalOf(s, told)
	period := r.period + r.doubt
	boxes := renewals(s, period)
	for i := range boxes {
		boxes[i].v *= float64(span) / 1e9
	}
	k := (w.End - w.Start) / span
	rest := (w.End - w.Start) % span
	out := integral{inside: boxes.inside(w), chance: true}
	add := func(t int64) {
		e := boxes.at(t, period, period)
		out.v, out.bound = out.v+e.v, out.bound+e.bound()
	}
	for j := range k {
		add(w.End - j*span)
	}
	if rest == 0 {
		return out, true
	}
	add(w.Start + rest)
	missing := float64(span-rest) / float64(span)
	before := boxes.at(w.Start, period, period)
	out.v -= missing * before.v
	out.bound += missing*before.bound() + boxes.unsteady(w.Start, span, missing)
	return out, true
}

// unsteady bounds by how much the energy of a share of the box before start may differ from that share of its mean.
func (c curve) unsteady(start, span int64, share float64) float64 {
	var box []update
	for _, u := range c {
		if u.hi <= start && u.hi >= start-span {
			box = append(box, u)
		}
	}
	if len(box) < 3 {
		return math.Inf(1)
	}
	last, most, sum := box[len(box)-1].v, 0.0, 0.0
	for i, u := range box {
		most = max(most, math.Abs(u.v-last))
		if i > 0 {
			sum += (u.v - box[i-1].v) * (u.v - box[i-1].v)
		}
	}
	n := float64(len(box) - 1)
	piece := math.Sqrt(sum / n / 2) // standard deviation of the energy of the piece between two updates, J
	noise := 3 * piece * math.Sqrt(n*share*(1-share)) * tQuantile(n)
	return share*most + noise
}

// late is by how much longer than its span an average may be renewed after, as clocks drift and are told in round numbers.
const late = 1.1

// renewal is the time between two renewals of an average, and by how much that may be off, in nanoseconds.
type renewal struct{ period, doubt int64 }

// renewalOf is the renewal that is told, else the least time between two changes: of constant power an average changes at its
// edges alone. Of readings that never repeat it is anything up to their distance.
func renewalOf(s series, told int64) renewal {
	if told > 0 {
		return renewal{period: told}
	}
	apart, last, repeats := s.usual(), -1, false
	least := s[len(s)-1].ts - s[0].ts
	for i := 1; i < len(s); i++ {
		if s[i].v == s[i-1].v {
			repeats = true
			continue
		}
		if last >= 0 {
			least = min(least, s[i].ts-s[last].ts)
		}
		last = i
	}
	if !repeats {
		return renewal{apart / 2, apart / 2}
	}
	return renewal{least, apart}
}

// uneven is the excess of the weight that averages over span give to some moments, at the cost of others: renewed after U, a
// moment is in n or n+1 of them, each of which stands for U of time.
func (r renewal) uneven(span int64) float64 {
	n, more := math.Modf(float64(span) / float64(max(r.period, 1)))
	return more * max((n+1)*float64(r.period)/float64(span)-1, 0)
}

// smeared integrates moving averages as they are. A reading at t is the mean over (u - span, u], and was renewed at u, anywhere in
// (t - U, t]: it tells of (span + U)/2 before t on average, by which the window is moved. What is left of its edges is smeared:
// where power steps at both, by up to (span + U)/4 of the step together, and by as much as the readings leave open when the
// renewals were. Power that swings within a span shows a part of its range: a whole span of the range seen is taken at least. It
// has no bound where a part of the time is in no average, as of a device that renews it less often than
// its span, or of a reader that comes less often. It reports that in whole.
func smeared(s series, w Window, c coverage, span, told int64) (out integral, whole bool) {
	r, apart, length := renewalOf(s, told), s.usual(), w.End-w.Start
	delay := (span + r.period) / 2
	moved := max(min(delay, s[len(s)-1].ts-w.End), 0) // nothing is read later where the window has only just ended
	by := w
	by.Start, by.End = w.Start+moved, w.End+moved
	at, ok := s.cover(by, 0)
	if !ok {
		by, at, moved = w, c, 0
	}
	out = integral{v: s.integral(by, at), inside: c.inside, averaged: true}
	if float64(max(r.period, apart)) > late*float64(span) {
		out.bound = math.Inf(1)
		return out, false
	}
	edges := float64((span+r.period)/4 + (apart+r.doubt)/2 + delay - moved)
	edges *= max(1, float64(span)/float64(length))       // a load shorter than the span is higher than its averages
	edges = max(edges, float64(min(span, length))) / 1e9 // and one that swings within it
	out.bound = s.spread() * edges
	if in := s.within(min(w.Start+span+r.period, w.End), w.End); len(in) > 0 { // averages of the window alone
		out.bound += r.uneven(span) * in.spread() * math.Sqrt(w.Length().Seconds()*time.Duration(r.period).Seconds())
	}
	return out, true
}
