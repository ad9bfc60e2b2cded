package record

import "github.com/banterhearts/bh/pkg/units"

// Tier is a pricing tier.
type Tier string

// The tiers; OnPrem has an hourly price only where a capital cost was given.
const (
	OnDemand    Tier = "on_demand"
	Spot        Tier = "spot"
	Reserved1yr Tier = "reserved_1yr"
	Reserved3yr Tier = "reserved_3yr"
	OnPrem      Tier = "on_prem"
)

// Tiers lists all tiers in the order of the reports.
func Tiers() []Tier { return []Tier{OnDemand, Spot, Reserved1yr, Reserved3yr, OnPrem} }

// Cost is a cell priced under one provider, tier and assumption set. The intervals are 95% and cover what repeating the
// runs would change, not what the prices might do.
type Cost struct {
	Schema     Schema `json:"schema"`
	Experiment string `json:"experiment"`
	Host       string `json:"host"`
	Backend    string `json:"backend"`
	Model      string `json:"model"`
	Precision  string `json:"precision"`
	Device     Device `json:"device"`
	Settings   string `json:"settings"`
	Threads    *int64 `json:"threads"`
	Mode       Mode   `json:"mode"`
	Scenario   string `json:"scenario"`
	N          int64  `json:"n"`
	Method     string `json:"method"`    // the assumption set: default or tr119
	Estimator  string `json:"estimator"` // throughput of a cell: ratio or mean
	Provider   string `json:"provider"`
	Tier       Tier   `json:"tier"`
	Region     string `json:"region"`
	Currency   string `json:"currency"`
	PriceDate  string `json:"price_date"`
	Default    bool   `json:"default_provider"` // the provider that single-provider tables show for this cell

	USDPerHour      *units.USDPerHour      `json:"usd_per_hour"` // null on-prem without a capital cost
	USDPerKWh       units.USDPerKWh        `json:"usd_per_kwh"`
	GCO2ePerKWh     units.GramsCO2ePerKWh  `json:"gco2e_per_kwh"`
	ThroughputTokS  *units.TokensPerSecond `json:"throughput_tok_s"`
	PowerW          *units.Watts           `json:"power_w"`
	PowerN          *int64                 `json:"power_n"` // of the cell: runs with a power figure, of n
	PowerSource     string                 `json:"power_source"`
	EnergyGrade     Grade                  `json:"energy_grade"`
	HoursPer1M      *units.Hours           `json:"hours_per_1m"`
	EnergyKWhPer1M  *units.KWh             `json:"energy_kwh_per_1m"`
	InfraUSDPer1M   *units.USD             `json:"infra_usd_per_1m"`
	EnergyUSDPer1M  *units.USD             `json:"energy_usd_per_1m"`
	TotalUSDPer1M   *units.USD             `json:"total_usd_per_1m"`
	TotalCILowerUSD *units.USD             `json:"total_ci_lower_usd_per_1m"`
	TotalCIUpperUSD *units.USD             `json:"total_ci_upper_usd_per_1m"`
	CIMethod        string                 `json:"ci_method"`
	Sessions        *int64                 `json:"sessions"` // of the cell; two or more are what the interval is over
	CarbonGPer1M    *units.GramsCO2e       `json:"carbon_g_per_1m"`
	TokensPerKWh    *units.TokensPerKWh    `json:"tokens_per_kwh"`
	Reason          string                 `json:"reason"` // why a null above is null, machine-readable
}

var _ Record = (*Cost)(nil)

// Kind is SchemaCost.
func (*Cost) Kind() Schema { return SchemaCost }

// Validate implements Record.
func (r *Cost) Validate() error {
	c := new(checker)
	c.schema(r.Schema, SchemaCost)
	required(c, "backend", r.Backend)
	required(c, "scenario", r.Scenario)
	required(c, "provider", r.Provider)
	required(c, "method", r.Method)
	oneOf(c, "mode", r.Mode, Modes()...)
	oneOf(c, "tier", r.Tier, Tiers()...)
	positive(c, "sessions", r.Sessions)
	oneOf(c, "estimator", r.Estimator, "ratio", "mean")
	grade(c, r.EnergyGrade)
	nonNegative(c, "usd_per_hour", r.USDPerHour)
	atLeast(c, "usd_per_kwh", r.USDPerKWh, 0)
	atLeast(c, "gco2e_per_kwh", r.GCO2ePerKWh, 0)
	positive(c, "throughput_tok_s", r.ThroughputTokS)
	nonNegative(c, "power_w", r.PowerW)
	nonNegative(c, "power_n", r.PowerN)
	nonNegative(c, "infra_usd_per_1m", r.InfraUSDPer1M)
	nonNegative(c, "energy_usd_per_1m", r.EnergyUSDPer1M)
	nonNegative(c, "total_usd_per_1m", r.TotalUSDPer1M)
	nonNegative(c, "energy_kwh_per_1m", r.EnergyKWhPer1M)
	nonNegative(c, "carbon_g_per_1m", r.CarbonGPer1M)
	return c.err()
}
