package cost

import (
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

const secondsPerHour = 3600

// rates is what time and energy are charged at.
type rates struct {
	tier       record.Tier
	usdPerHour *units.USDPerHour // nil = unknown; on-prem: not charged
	usdPerKWh  units.USDPerKWh
	infraOnly  bool // energy is not charged
}

// ratesOf is what a cost row is charged at.
func ratesOf(r *record.Cost, infraOnly bool) rates {
	return rates{tier: r.Tier, usdPerHour: r.USDPerHour, usdPerKWh: r.USDPerKWh, infraOnly: infraOnly}
}

// bill is what a stretch of work costs; nil is unknown, or not charged where the reasons say so.
type bill struct {
	infra, energy, total *units.USD
	kwh                  *units.KWh
}

// bill charges work that takes seconds at a mean power (nil = unknown): infra = hours · USD/hour, energy = kWh · USD/kWh.
// It returns the reasons of what it leaves nil.
func (r rates) bill(seconds float64, power *units.Watts) (b bill, why []string) {
	switch {
	case r.usdPerHour != nil:
		b.infra = units.Ptr(units.USD(seconds / secondsPerHour * float64(*r.usdPerHour)))
	case r.tier == record.OnPrem:
		why = append(why, ReasonNoCapitalCost)
	default:
		why = append(why, ReasonPriceUnknown)
	}
	switch {
	case power == nil:
		why = append(why, ReasonPowerUnknown)
	case *power == 0: // no device that works draws nothing: its sensor is broken
		why = append(why, ReasonZeroPower)
	default:
		b.kwh = units.Ptr(units.Joules(float64(*power) * seconds).KWh())
	}
	switch {
	case r.infraOnly:
		why = append(why, ReasonEnergyExcluded)
	case b.kwh != nil:
		b.energy = units.Ptr(units.USD(float64(*b.kwh) * float64(r.usdPerKWh)))
	}
	b.total = r.total(b)
	return b, why
}

// total is infra plus energy, or nil where a part that is charged is unknown. On-prem without a capital cost has no infra
// part.
func (r rates) total(b bill) *units.USD {
	switch {
	case r.infraOnly:
		return b.infra
	case r.tier == record.OnPrem && b.infra == nil:
		return b.energy
	}
	return add(b.infra, b.energy)
}

// plus adds two bills; a sum of which one part is unknown is unknown.
func (b bill) plus(c bill) bill {
	return bill{
		infra: add(b.infra, c.infra), energy: add(b.energy, c.energy), total: add(b.total, c.total), kwh: add(b.kwh, c.kwh),
	}
}

// add is a+b, or nil when one is unknown.
func add[T ~float64](a, b *T) *T {
	if a == nil || b == nil {
		return nil
	}
	return units.Ptr(*a + *b)
}
