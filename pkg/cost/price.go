package cost

import (
	"errors"
	"fmt"
	"strings"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// The codes of a cost row's reason: why figures in it are null.
const (
	ReasonNoOKRuns          = "no_ok_runs"         // the cell has no good run, so there is nothing to price
	ReasonThroughputUnknown = "throughput_unknown" // the cell lacks the estimator's throughput
	ReasonPowerUnknown      = "power_unknown"      // no run of the cell has a power figure: energy, total and carbon are null
	ReasonPriceUnknown      = "price_unknown"      // the book has no price of this tier: infra and total are null
	ReasonNoCapitalCost     = "no_capital_cost"    // on-prem without a capital cost: infra is null, total is energy only
	ReasonEnergyExcluded    = "energy_excluded"    // the method leaves energy out: energy cost is null, total is infra only
	ReasonZeroPower         = "zero_power"         // a power of 0 W is a broken sensor: null as with ReasonPowerUnknown
)

// ErrDevice says that a method which matches devices met a cell that names none.
var ErrDevice = errors.New("the cell does not say what did the work")

// Price prices every cell under method m: one row per provider and tier of the book, then one on-prem row. The rows come
// in the order of the cells, of the book's providers and of record.Tiers. A tier that a provider has no price for is a
// row with null costs and ReasonPriceUnknown, never a missing row and never a guess.
//
// With s tok/s the cell's throughput by m.Estimator, P W its mean power, h USD/hour and e USD/kWh:
//
//	hours_per_1m       = 1e6 / (s * 3600)            hours
//	energy_kwh_per_1m  = P * (1e6 / s) / 3.6e6       kWh
//	infra_usd_per_1m   = hours_per_1m * h            USD
//	energy_usd_per_1m  = energy_kwh_per_1m * e       USD
//	total_usd_per_1m   = infra + energy              USD
//	carbon_g_per_1m    = energy_kwh_per_1m * gCO2e   g, with gCO2e in g/kWh
//	tokens_per_kwh     = 1e6 / energy_kwh_per_1m     tokens
//
// The error is a method of no known estimator, or a cell without device under a method that matches devices.
func Price(cells []record.Cell, b *Book, m Method) ([]record.Cost, error) {
	if m.Estimator != EstimatorRatio && m.Estimator != EstimatorMean {
		return nil, fmt.Errorf("unknown estimator %q, want %s or %s", m.Estimator, EstimatorRatio, EstimatorMean)
	}
	offers := map[record.Device][]offer{}
	rows := make([]record.Cost, 0, len(cells)*(len(b.Providers)*4+1))
	for i := range cells {
		c := &cells[i]
		if m.MatchDevice && c.Device == "" {
			return nil, fmt.Errorf("%s %s %s: field device: saw nothing, want %s or %s to choose an instance by: %w",
				c.Backend, c.Mode, c.Scenario, record.CPU, record.GPU, ErrDevice)
		}
		if offers[c.Device] == nil {
			offers[c.Device] = b.offers(c.Device, m)
		}
		for j := range offers[c.Device] {
			rows = append(rows, priceCell(c, &offers[c.Device][j], b, m))
		}
	}
	return rows, nil
}

// offer is one hourly price that a cell can be charged.
type offer struct {
	provider, region, currency, date string
	tier                             record.Tier
	usdPerHour                       *units.USDPerHour // nil = unknown; on-prem: not counted
	isDefault                        bool
}

// offers lists the prices for a device under m: every tier of every provider of that kind (of GPUs where m does not look),
// then on-prem. On-prem rows count as the default provider's, so that the default rows of a cell are one per tier.
func (b *Book) offers(device record.Device, m Method) []offer {
	if !m.MatchDevice {
		device = record.GPU
	}
	var list []offer
	for i := range b.Providers {
		p := &b.Providers[i]
		if p.Device != device {
			continue
		}
		for _, tier := range record.Tiers() {
			if tier == record.OnPrem {
				continue
			}
			o := offer{provider: p.Name, region: p.Region, currency: p.Currency, date: p.Date, tier: tier, isDefault: p.Name == b.Default[device]}
			if price, ok := p.USDPerHour[tier]; ok {
				o.usdPerHour = &price
			}
			list = append(list, o)
		}
	}
	return append(list, b.onPremOffer())
}

// onPremOffer is the machine of one's own: dated and placed by its capital cost, or by its energy where that is all it
// is charged for.
func (b *Book) onPremOffer() offer {
	o := offer{provider: OnPremProvider, tier: record.OnPrem, isDefault: true, usdPerHour: b.OnPrem.USDPerHour()}
	if o.usdPerHour == nil {
		o.region, o.currency, o.date = b.Energy.Region, b.Energy.Currency, b.Energy.Date
	} else {
		o.region, o.currency, o.date = b.OnPrem.Region, b.OnPrem.Currency, b.OnPrem.Date
	}
	return o
}

// priceCell is one row of Price.
func priceCell(c *record.Cell, o *offer, b *Book, m Method) record.Cost {
	r := record.Cost{
		Schema: record.SchemaCost, Experiment: c.Experiment, Host: c.Host, Backend: c.Backend, Model: c.Model,
		Precision: c.Precision, Device: c.Device, Settings: c.Settings, Threads: c.Threads, Mode: c.Mode,
		Scenario: c.Scenario, N: c.N, Sessions: c.Sessions, Method: m.Name, Estimator: m.Estimator,
		Provider: o.provider, Tier: o.tier, Region: o.region, Currency: o.currency, PriceDate: o.date, Default: o.isDefault,
		USDPerHour: o.usdPerHour, USDPerKWh: b.Energy.USDPerKWh, GCO2ePerKWh: b.Carbon.GCO2ePerKWh,
	}
	power := powerOf(c)
	if power == nil || *power > 0 {
		r.PowerW, r.PowerN, r.PowerSource, r.EnergyGrade = power, c.PowerN, c.PowerSource, c.EnergyGrade
	}
	r.ThroughputTokS = throughput(c, m.Estimator)
	switch {
	case c.N == 0:
		r.Reason = ReasonNoOKRuns
	case r.ThroughputTokS == nil:
		r.Reason = ReasonThroughputUnknown
	default:
		r.Reason = fill(&r, power, m)
	}
	r.TotalCILowerUSD, r.TotalCIUpperUSD, r.CIMethod = interval(c, &r)
	return r
}

// throughput is the cell's throughput by the estimator, or nil.
func throughput(c *record.Cell, estimator string) *units.TokensPerSecond {
	if c.N == 0 {
		return nil
	}
	if estimator == EstimatorMean {
		return c.ThroughputMeanTokS
	}
	return c.ThroughputRatioTokS
}

// powerOf is the mean power of a cell; 0 where those of its runs that have one have 0 W.
func powerOf(c *record.Cell) *units.Watts {
	if c.PowerMeanW == nil && c.PowerN != nil && *c.PowerN == 0 {
		return new(units.Watts)
	}
	return c.PowerMeanW
}

// fill computes the columns of a row whose throughput is known, and returns the reasons of those it cannot.
func fill(r *record.Cost, power *units.Watts, m Method) string {
	seconds := units.TokensPer1M / float64(*r.ThroughputTokS)
	r.HoursPer1M = units.Ptr(units.Hours(seconds / secondsPerHour))
	b, why := ratesOf(r, m.InfraOnly).bill(seconds, power)
	r.InfraUSDPer1M, r.EnergyKWhPer1M, r.EnergyUSDPer1M, r.TotalUSDPer1M = b.infra, b.kwh, b.energy, b.total
	if kwh := b.kwh; kwh != nil {
		r.CarbonGPer1M = units.Ptr(units.GramsCO2e(float64(*kwh) * float64(r.GCO2ePerKWh)))
		r.TokensPerKWh = units.Ptr(units.TokensPerKWh(units.TokensPer1M / float64(*kwh)))
	}
	return strings.Join(why, ",")
}
