package cost

import (
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// TCORow is the total cost of ownership of one backend in one mode under one provider and tier, for Book.TCO's volume of
// tokens at the backend's mean total cost across scenarios.
type TCORow struct {
	Experiment      string        `json:"experiment"`
	Host            string        `json:"host"`
	Backend         string        `json:"backend"`
	Model           string        `json:"model"`
	Precision       string        `json:"precision"`
	Device          record.Device `json:"device"`
	Settings        string        `json:"settings"`
	Threads         *int64        `json:"threads"`
	Mode            record.Mode   `json:"mode"`
	Method          string        `json:"method"`
	Estimator       string        `json:"estimator"`
	Provider        string        `json:"provider"`
	Tier            record.Tier   `json:"tier"`
	Default         bool          `json:"default_provider"`
	TokensPerMonth  units.Tokens  `json:"tokens_per_month"`
	Months          int64         `json:"months"`
	UpfrontUSD      units.USD     `json:"upfront_usd"`
	Cells           int           `json:"cells"` // scenarios with a total cost that the mean is over
	EnergyGrade     record.Grade  `json:"energy_grade"`
	TotalCostUSD    *units.USD    `json:"total_cost_usd"`
	TotalCILowerUSD *units.USD    `json:"total_ci_lower_usd"` // 95%, see docs/definitions.md
	TotalCIUpperUSD *units.USD    `json:"total_ci_upper_usd"`
	CostPerMonthUSD *units.USD    `json:"cost_per_month_usd"`
	CostPer1MUSD    *units.USD    `json:"cost_per_1m_tokens_usd"`
	Reason          string        `json:"reason"`
}
