package cost

import (
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// RequestCost is what one representative request costs (Book.Request: so many prompt tokens, so many generated) on one
// backend under one provider and tier.
type RequestCost struct {
	Experiment      string         `json:"experiment"`
	Host            string         `json:"host"`
	Backend         string         `json:"backend"`
	Model           string         `json:"model"`
	Precision       string         `json:"precision"`
	Device          record.Device  `json:"device"`
	Settings        string         `json:"settings"`
	Threads         *int64         `json:"threads"`
	Method          string         `json:"method"`
	Estimator       string         `json:"estimator"`
	Provider        string         `json:"provider"`
	Tier            record.Tier    `json:"tier"`
	Default         bool           `json:"default_provider"`
	GenerateMode    record.Mode    `json:"generate_mode"` // which way of decoding the generated tokens are priced at: generate or generate-cached
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
	TotalCILowerUSD *units.USD     `json:"total_ci_lower_usd_per_request"` // 95%, see docs/definitions.md
	TotalCIUpperUSD *units.USD     `json:"total_ci_upper_usd_per_request"`
	Reason          string         `json:"reason"` // why a null above is null, machine-readable codes, comma-separated
}
