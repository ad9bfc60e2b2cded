// Package units holds the quantities that bh computes in, as defined types that carry their unit. Values are converted
// once, where data enters (a nanosecond column, a microjoule counter), and computed in these types from there on, so
// that a watt is never added to a joule. It is not a general units library: it holds only what the records hold.
package units

import "time"

// The defined quantities. Each is named after its unit; the zero value is zero of that unit, never "unknown":
// unknown is a nil pointer.
type (
	Joules           float64 // energy
	Watts            float64 // power
	KWh              float64 // energy, kilowatt hours
	Celsius          float64 // temperature
	Percent          float64 // 0 to 100
	Megahertz        float64 // clock frequency
	Bytes            int64   // memory
	Tokens           int64   // model tokens
	TokensPerSecond  float64 // throughput
	TokensPerKWh     float64 // energy efficiency
	JoulesPerToken   float64 // energy of one token
	Milliseconds     float64 // latency, as tables show it
	Seconds          float64 // duration
	Hours            float64 // duration
	USD              float64 // price
	USDPerHour       float64 // price of an instance
	USDPerKWh        float64 // price of energy
	GramsCO2e        float64 // emissions
	GramsCO2ePerKWh  float64 // carbon intensity of the grid
	USDPer1MTokens   float64 // cost of one million tokens
	GramsPer1MTokens float64 // emissions of one million tokens
)

// JoulesPerKWh is the definition of the kilowatt hour: 1000 W for 3600 s.
const JoulesPerKWh = 3.6e6

// TokensPer1M is the number of tokens that costs are quoted for.
const TokensPer1M = 1e6

// KWh converts joules to kilowatt hours.
func (j Joules) KWh() KWh { return KWh(float64(j) / JoulesPerKWh) }

// Over is the mean power of this energy spread over d. It is 0 for d <= 0, which no caller should ask for.
func (j Joules) Over(d time.Duration) Watts {
	if d <= 0 {
		return 0
	}
	return Watts(float64(j) / d.Seconds())
}

// For is the energy of this power held for d.
func (w Watts) For(d time.Duration) Joules { return Joules(float64(w) * d.Seconds()) }

// Ms converts a duration to milliseconds.
func Ms(d time.Duration) Milliseconds { return Milliseconds(float64(d) / float64(time.Millisecond)) }

// Rate is tokens over d, in tokens per second. It is 0 for d <= 0, which no caller should ask for.
func (t Tokens) Rate(d time.Duration) TokensPerSecond {
	if d <= 0 {
		return 0
	}
	return TokensPerSecond(float64(t) / d.Seconds())
}

// Ptr returns a pointer to a copy of v: how a nullable column is filled.
func Ptr[T any](v T) *T { return &v }
