package cost

import (
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// TCORow is the total cost of ownership of one backend in one mode under one provider and tier, for Book.TCO's volume of
// tokens at the backend's mean total cost across scenarios.
type TCORow struct {
	Subject
	Mode            record.Mode  `json:"mode"`
	TokensPerMonth  units.Tokens `json:"tokens_per_month"`
	Months          int64        `json:"months"`
	UpfrontUSD      units.USD    `json:"upfront_usd"`
	Cells           int          `json:"cells"` // scenarios with a total cost that the mean is over
	EnergyGrade     record.Grade `json:"energy_grade"`
	TotalCostUSD    *units.USD   `json:"total_cost_usd"`
	TotalCILowerUSD *units.USD   `json:"total_ci_lower_usd"` // 95%; null where a cell of the mean has none
	TotalCIUpperUSD *units.USD   `json:"total_ci_upper_usd"`
	CostPerMonthUSD *units.USD   `json:"cost_per_month_usd"`
	CostPer1MUSD    *units.USD   `json:"cost_per_1m_tokens_usd"`
	Reason          string       `json:"reason"` // why the costs are null, machine-readable codes, comma-separated
}

// TCO prices b.TCO on every backend, mode, provider and tier of costs. With c the arithmetic mean over scenarios of
// total_usd_per_1m, T tokens a month, M months and U USD upfront:
//
//	total_cost_usd         = U + M · T/1e6 · c        USD
//	cost_per_month_usd     = total_cost_usd / M       USD
//	cost_per_1m_tokens_usd = total_cost_usd / (M · T/1e6)   USD
//
// It charges the hours that the tokens take, as TR119 does: what an instance costs while it stands idle is not in it.
// Intervals: the mean's, by sum over the cells.
func TCO(costs []record.Cost, b *Book) []TCORow {
	var out []TCORow
	for _, g := range groups(costs) {
		for _, mode := range record.Modes() {
			rows := g.mode(mode)
			if len(rows) == 0 {
				continue
			}
			t := TCORow{
				Subject: g.subject, Mode: mode, TokensPerMonth: b.TCO.TokensPerMonth, Months: b.TCO.Months,
				UpfrontUSD: b.TCO.UpfrontUSD, EnergyGrade: worstGrade(rows...),
			}
			t.price(rows)
			out = append(out, t)
		}
	}
	return out
}

// price fills the figures from the subject's rows of one mode.
func (t *TCORow) price(rows []*record.Cost) {
	var parts []estimate
	var why []string
	for _, r := range rows {
		if r.TotalUSDPer1M == nil {
			why = append(why, r.Reason)
			continue
		}
		parts = append(parts, totalOf(r))
	}
	t.Cells = len(parts)
	if t.Cells == 0 {
		t.Reason = reasons(why...)
		return
	}
	millions := float64(t.Months) * float64(t.TokensPerMonth) / units.TokensPer1M
	cost := sum(parts...).times(millions / float64(len(parts))).plus(float64(t.UpfrontUSD))
	t.TotalCostUSD = units.Ptr(units.USD(cost.value))
	t.CostPerMonthUSD = units.Ptr(units.USD(cost.value / float64(t.Months)))
	t.CostPer1MUSD = units.Ptr(units.USD(cost.value / millions))
	if cost.known {
		t.TotalCILowerUSD, t.TotalCIUpperUSD = units.Ptr(units.USD(cost.lower)), units.Ptr(units.USD(cost.upper))
	}
}

// totalOf is a row's total cost with its interval.
func totalOf(r *record.Cost) estimate {
	e := estimate{value: float64(*r.TotalUSDPer1M), shared: record.OverSessions(r.Sessions)}
	if r.TotalCILowerUSD != nil && r.TotalCIUpperUSD != nil {
		e.lower, e.upper, e.known = float64(*r.TotalCILowerUSD), float64(*r.TotalCIUpperUSD), true
	}
	return e
}
