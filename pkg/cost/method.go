// Package cost turns cells into money, energy and emissions: the price book, the cost of one million tokens under each
// provider and tier, the cost of a request and the total cost of ownership. It measures nothing and compares nothing:
// its input is what package cell summarised, and ranking its output is package compare's.
package cost

import (
	"fmt"
	"strings"

	"github.com/banterhearts/bh/pkg/record"
)

// The throughput estimators of a cell; docs/definitions.md defines both.
const (
	EstimatorRatio = "ratio" // total tokens / total time
	EstimatorMean  = "mean"  // mean of the runs' throughputs
)

// Method is an assumption set. Its name goes into every row, so that figures made under different assumptions can stand
// in one table and never be taken for each other.
type Method struct {
	Name        string
	Estimator   string // EstimatorRatio or EstimatorMean
	MatchDevice bool   // price a backend at providers of the device it runs on; else every backend at those of GPUs
	InfraOnly   bool   // leave energy out of the total
}

// The methods. MethodDefault prices time (the ratio estimator) on an instance of the kind that the backend runs on.
// MethodTR119 is the original's: the mean of throughputs, and every backend at the rate of every provider that rents out
// GPUs, as it knew no others: CPU backends are charged for a GPU they do not use.
var (
	MethodDefault = Method{Name: "default", Estimator: EstimatorRatio, MatchDevice: true}
	MethodTR119   = Method{Name: "tr119", Estimator: EstimatorMean, MatchDevice: false}
)

// InfraOnlySuffix is what the name of a method whose totals leave energy out ends with.
const InfraOnlySuffix = "-infra-only"

// WithoutEnergy is m with totals that leave energy out, under a name of its own.
func (m Method) WithoutEnergy() Method {
	m.Name += InfraOnlySuffix
	m.InfraOnly = true
	return m
}

// WithEstimator is m with another throughput estimator, under a name of its own; m itself when it has that one already.
func (m Method) WithEstimator(estimator string) (Method, error) {
	if estimator != EstimatorRatio && estimator != EstimatorMean {
		return Method{}, fmt.Errorf("unknown estimator %q, want %s or %s", estimator, EstimatorRatio, EstimatorMean)
	}
	if estimator != m.Estimator {
		m.Name += "-" + estimator
		m.Estimator = estimator
	}
	return m, nil
}

// ParseMethod returns the method called name.
func ParseMethod(name string) (Method, error) {
	for _, m := range []Method{MethodDefault, MethodTR119} {
		if m.Name == name {
			return m, nil
		}
	}
	return Method{}, fmt.Errorf("unknown method %q, want one of %s, %s", name, MethodDefault.Name, MethodTR119.Name)
}

// reservedAlias is how the tables of TR119 call one-year reservations.
const reservedAlias = "reserved"

// ParseTier returns the tier called name; "reserved" means reserved_1yr.
func ParseTier(name string) (record.Tier, error) {
	if name == reservedAlias {
		return record.Reserved1yr, nil
	}
	names := make([]string, 0, len(record.Tiers()))
	for _, t := range record.Tiers() {
		if string(t) == name {
			return t, nil
		}
		names = append(names, string(t))
	}
	return "", fmt.Errorf("unknown tier %q, want one of %s, or %s for %s",
		name, strings.Join(names, ", "), reservedAlias, record.Reserved1yr)
}
