package cost

import (
	"fmt"
	"strings"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// OnPremProvider is the provider name of the rows that price a machine of one's own.
const OnPremProvider = "on_prem"

// NotStated is the region of a price whose source gives none.
const NotStated = "not stated"

// Book is a price book: every assumption that turns time and energy into money and emissions. Each price in it says when
// it was read, where it holds, in which currency, and where it comes from; a book that leaves one of these out does not
// load.
type Book struct {
	Path      string // where the book was read from, for messages and provenance; BuiltinPath for the built-in one
	Providers []Provider
	Energy    EnergyPrice
	Carbon    CarbonIntensity
	OnPrem    OnPrem
	Default   map[record.Device]string // the provider that single-provider tables show, by what does the work
	Request   RequestMix
	TCO       TCOPlan
}

// Provider is one instance type that can be rented by the hour.
type Provider struct {
	Name       string
	Device     record.Device // which kind of backend it is rented for
	Instance   string        // what is rented, in the provider's terms
	Region     string        // NotStated where the source gives none
	Currency   string        // USD
	Date       string        // when the prices held: YYYY-MM or YYYY-MM-DD
	Source     string
	Original   bool // the figures are the original TR119's inputs, kept as it gave them and not checked against a price list
	USDPerHour map[record.Tier]units.USDPerHour
}

// EnergyPrice is what a kilowatt hour costs. It is charged on top of every provider's hourly price, as TR119 does,
// although a cloud's hourly price already pays for its electricity.
type EnergyPrice struct {
	USDPerKWh units.USDPerKWh
	Region    string
	Currency  string
	Date      string
	Source    string
}

// CarbonIntensity is what a kilowatt hour emits.
type CarbonIntensity struct {
	GCO2ePerKWh units.GramsCO2ePerKWh
	Region      string
	Date        string
	Source      string
}

// OnPrem prices a machine of one's own. The zero value is the default: no capital cost, energy only.
type OnPrem struct {
	CapitalUSD    *units.USD  // purchase price; nil = not counted
	LifetimeHours units.Hours // hours of use that the purchase is spread over
	Region        string
	Currency      string
	Date          string
	Source        string
}

// USDPerHour is the purchase price per hour of use, or nil when none was given.
func (o OnPrem) USDPerHour() *units.USDPerHour {
	if o.CapitalUSD == nil {
		return nil
	}
	return units.Ptr(units.USDPerHour(float64(*o.CapitalUSD) / float64(o.LifetimeHours)))
}

// RequestMix is the representative request.
type RequestMix struct {
	PromptTokens   units.Tokens
	GenerateTokens units.Tokens
}

// TCOPlan is the volume that the total cost of ownership is computed for.
type TCOPlan struct {
	TokensPerMonth units.Tokens
	Months         int64
	UpfrontUSD     units.USD
}

// Provider returns the provider called name, or an error that lists the ones there are.
func (b *Book) Provider(name string) (*Provider, error) {
	for i := range b.Providers {
		if b.Providers[i].Name == name {
			return &b.Providers[i], nil
		}
	}
	return nil, fmt.Errorf("unknown provider %q, want one of %s", name, b.providerNames())
}

// providerNames lists the providers for messages.
func (b *Book) providerNames() string {
	names := make([]string, len(b.Providers))
	for i := range b.Providers {
		names[i] = b.Providers[i].Name
	}
	return strings.Join(names, ", ")
}
