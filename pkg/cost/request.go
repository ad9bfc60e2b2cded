package cost

import (
	"math"
	"strings"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// The codes of a request's reason, beside those of a cost row's.
const (
	ReasonPrefillUnmeasured  = "prefill_unmeasured"  // no scenario of prefill has a throughput
	ReasonGenerateUnmeasured = "generate_unmeasured" // no scenario of the generate mode has one
)

// RequestCost is what one representative request costs (Book.Request: so many prompt tokens, so many generated) on one
// backend under one provider and tier.
type RequestCost struct {
	Subject
	GenerateMode    record.Mode    `json:"generate_mode"` // how the generated tokens are decoded: generate or generate-cached
	PromptTokens    units.Tokens   `json:"prompt_tokens"`
	GenerateTokens  units.Tokens   `json:"generate_tokens"`
	PrefillCells    int            `json:"prefill_cells"`  // scenarios with a throughput that the prefill mean is over
	GenerateCells   int            `json:"generate_cells"` // the same for the generate mean
	EnergyGrade     record.Grade   `json:"energy_grade"`   // the worst of the cells' grades
	TimePrefillS    *units.Seconds `json:"time_prefill_s"`
	TimeGenerateS   *units.Seconds `json:"time_generate_s"`
	EnergyKWh       *units.KWh     `json:"energy_kwh_per_request"`
	InfraUSD        *units.USD     `json:"infra_cost_usd_per_request"`
	EnergyUSD       *units.USD     `json:"energy_cost_usd_per_request"`
	TotalUSD        *units.USD     `json:"total_cost_usd_per_request"`
	TotalCILowerUSD *units.USD     `json:"total_ci_lower_usd_per_request"` // 95%; null where a cell of the means has none
	TotalCIUpperUSD *units.USD     `json:"total_ci_upper_usd_per_request"`
	Reason          string         `json:"reason"` // why a null above is null, machine-readable codes, comma-separated
}

// Requests prices b.Request on every backend, provider and tier of costs: one row with the tokens generated without a KV
// cache, and one with it where generate-cached was measured.
//
// With s and P the arithmetic means over scenarios of the cells' throughput (tok/s) and power (W) in each mode, p prompt
// tokens and g generated ones, h USD/hour and e USD/kWh of the cost rows:
//
//	time_prefill_s  = p / s_prefill                                             seconds
//	time_generate_s = g / s_generate                                            seconds
//	energy_kwh      = (P_prefill·time_prefill + P_generate·time_generate)/3.6e6  kWh
//	total_usd       = (time_prefill + time_generate)/3600 · h + energy_kwh · e   USD
//
// The mean of throughputs over scenarios is TR119's definition, kept under every method.
//
// The interval takes each mode's cost to vary as its mean throughput does, √Σ(s·w)²/Σs on the log scale with w the half
// width of ln total in each cell, and adds the modes as independent; intervals over sessions, which all cells of a backend
// share, are added as they are (see sum).
func Requests(costs []record.Cost, b *Book) []RequestCost {
	var out []RequestCost
	for _, g := range groups(costs) {
		prefill := meansOf(g.mode(record.Prefill))
		for _, mode := range []record.Mode{record.Generate, record.GenerateCached} {
			rows := g.mode(mode)
			if mode == record.GenerateCached && len(rows) == 0 {
				continue
			}
			r := RequestCost{
				Subject: g.subject, GenerateMode: mode, PromptTokens: b.Request.PromptTokens, GenerateTokens: b.Request.GenerateTokens,
				EnergyGrade: worstGrade(append(g.mode(record.Prefill), rows...)...),
			}
			r.price(g.rows[0], prefill, meansOf(rows))
			out = append(out, r)
		}
	}
	return out
}

// modeMeans is a backend's means over the scenarios of one mode.
type modeMeans struct {
	cells      int     // with a throughput
	throughput float64 // tok/s
	powerCells int     // of those, with power
	power      float64 // W
	spread     float64 // half width of the 95% interval of ln(mode cost); NaN where a cell has none
	shared     bool    // the intervals are over sessions
}

func meansOf(rows []*record.Cost) modeMeans {
	var m modeMeans
	var spread halfWidth
	for _, r := range rows {
		if r.ThroughputTokS == nil {
			continue
		}
		s := float64(*r.ThroughputTokS)
		m.cells++
		m.throughput += s
		if r.PowerW != nil && *r.PowerW > 0 {
			m.powerCells++
			m.power += float64(*r.PowerW)
		}
		shared := record.OverSessions(r.Sessions)
		spread.add(s*logHalfWidth(r), shared)
		m.shared = m.shared || shared
	}
	m.spread = spread.width() / m.throughput
	m.throughput /= float64(m.cells)
	m.power /= float64(m.powerCells)
	return m
}

// logHalfWidth is half the width of the interval of ln(total), or NaN.
func logHalfWidth(r *record.Cost) float64 {
	if r.TotalCILowerUSD == nil || r.TotalCIUpperUSD == nil {
		return math.NaN()
	}
	return (math.Log(float64(*r.TotalCIUpperUSD)) - math.Log(float64(*r.TotalCILowerUSD))) / 2
}

// price fills the figures of a request at the prices of row, one of the subject's.
func (r *RequestCost) price(row *record.Cost, prefill, generate modeMeans) {
	r.PrefillCells, r.GenerateCells = prefill.cells, generate.cells
	if prefill.cells == 0 || generate.cells == 0 {
		r.Reason = unmeasured(prefill, generate)
		return
	}
	tp, tg := float64(r.PromptTokens)/prefill.throughput, float64(r.GenerateTokens)/generate.throughput
	r.TimePrefillS, r.TimeGenerateS = units.Ptr(units.Seconds(tp)), units.Ptr(units.Seconds(tg))
	rate := ratesOf(row, strings.HasSuffix(row.Method, InfraOnlySuffix))
	p, pWhy := rate.bill(tp, prefill.watts())
	g, gWhy := rate.bill(tg, generate.watts())
	both := p.plus(g)
	r.EnergyKWh, r.InfraUSD, r.EnergyUSD, r.TotalUSD = both.kwh, both.infra, both.energy, both.total
	r.Reason = reasons(append(pWhy, gWhy...)...)
	if r.TotalUSD == nil {
		return
	}
	if s := sum(prefill.spreadOut(*p.total), generate.spreadOut(*g.total)); s.known {
		r.TotalCILowerUSD, r.TotalCIUpperUSD = units.Ptr(units.USD(s.lower)), units.Ptr(units.USD(s.upper))
	}
}

// watts is the mean power, or nil where no cell has one.
func (m modeMeans) watts() *units.Watts {
	if m.powerCells == 0 {
		return nil
	}
	return units.Ptr(units.Watts(m.power))
}

// unmeasured says which of the modes has no throughput.
func unmeasured(prefill, generate modeMeans) string {
	var why []string
	if prefill.cells == 0 {
		why = append(why, ReasonPrefillUnmeasured)
	}
	if generate.cells == 0 {
		why = append(why, ReasonGenerateUnmeasured)
	}
	return reasons(why...)
}

// spreadOut is a cost with the interval that the mode's spread gives it.
func (m modeMeans) spreadOut(cost units.USD) estimate {
	v := float64(cost)
	return estimate{
		value: v, lower: v * math.Exp(-m.spread), upper: v * math.Exp(m.spread), known: !math.IsNaN(m.spread), shared: m.shared,
	}
}
