package energy

import (
	"math"
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
func averages(s series, w Window, span, period int64) (integral, bool) {
	if period == 0 {
		period = periodOf(s)
	}
	if len(s) == 0 || s[0].ts > w.Start-span {
		return integral{}, false
	}
	boxes := renewals(s, period)
	for i := range boxes {
		boxes[i].v *= float64(span) / 1e9
	}
	k := (w.End - w.Start) / span
	rest := (w.End - w.Start) % span
	out := integral{inside: boxes.inside(w), chance: true}
	add := func(t int64) {
		e := boxes.at(t, period)
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
	before := boxes.at(w.Start, period)
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

// smeared integrates moving averages as they are: the window's edges are smeared over a span, by up to the range of
// powers seen around it.
func smeared(s series, w Window, c coverage, span int64) integral {
	bound := s.spread() * min(float64(span)/1e9, w.Length().Seconds())
	return integral{v: s.integral(w, c), bound: bound, inside: c.inside, averaged: true}
}
