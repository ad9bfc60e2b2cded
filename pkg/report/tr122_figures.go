package report

import (
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// perTokenFigure draws the amortised energy of a token.
func perTokenFigure(d *data, mode record.Mode) (*Figure, string) {
	var bars []measuredBar
	why := noRuns
	for _, g := range d.measuredIn(mode) {
		n := d.resourceMean(g, resPerToken)
		if !n.known() {
			why = n.source.How
			continue
		}
		var points []float64
		var within []bounded
		for _, c := range g.cells {
			if v := d.resourceNumber(c, resPerToken); v.known() {
				points = append(points, *v.value)
			}
			if s := d.resources(c); s != nil {
				if b, ok := s.bounds(resPerToken); ok {
					within = append(within, b)
				}
			}
		}
		bars = append(bars, d.barOf(g.label, n, points, within))
	}
	c := barChart{Title: "Energy per token, " + string(mode), Subtitle: d.subtitle(mode, "circles", ""), Axis: "Energy (J per token)"}
	f, why := d.barFigure(c, bars, true, d.CellsName, why)
	return d.withGrades(f, why, mode)
}

// utilisationFigure draws how near each backend came to both roofs.
func utilisationFigure(d *data, mode record.Mode) (*Figure, string) {
	c := barChart{Title: "Model bandwidth and FLOPs utilisation, " + string(mode), Subtitle: d.subtitle(mode, "", ""),
		Axis: "Share of what the machine reached (per cent)"}
	why := noRuns
	for _, g := range d.measuredIn(mode) {
		var cells []roofs
		for _, x := range g.cells {
			if x.N > 0 {
				cells = append(cells, d.roofsOf(x))
			}
		}
		for _, u := range []struct {
			label string
			get   func(roofs) (n, low, high number)
		}{
			{"MBU", func(r roofs) (n, low, high number) { return r.mbu, r.mbuLow, r.mbuHigh }},
			{"MFU", func(r roofs) (n, low, high number) { return r.mfu, r.mfuLow, r.mfuHigh }},
		} {
			var list []number
			for _, r := range cells {
				n, _, _ := u.get(r)
				list = append(list, n)
				if !n.known() {
					why = n.source.How
				}
			}
			n := mean(list, Source{})
			if !n.known() {
				continue
			}
			b := bar{Group: g.label, Label: u.label, Value: *n.value, Color: d.colors[g.label], Text: units.G4(*n.value)}
			if low, high, ok := utilisationInterval(cells, u.get); ok {
				b.Low, b.High = &low, &high
			}
			c.Bars = append(c.Bars, b)
		}
	}
	if len(c.Bars) == 0 {
		return nil, why
	}
	return d.barsOf(c, d.CellsName, false), ""
}
