package telemetry

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

const meterName = "meter"

// DefaultMeterInterval is how often an external meter is read that Options.MeterInterval says nothing of.
const DefaultMeterInterval = time.Second

// meterPatience is how long an external meter may give nothing: it is then told of as hanging, and begun again.
const meterPatience = 10 * time.Second

func init() {
	register(member{name: meterName, measures: "power that an external meter tells, on request", open: openMeters})
}

// meters reads external meters in the background, one device per meter ("meter:NAME"). A row stands at the time at which
// the reading came; a reading is given once, and a meter that gives none has no row.
type meters struct {
	env      Environment
	interval time.Duration
	meters   []*meter
}

var (
	_ Source   = (*meters)(nil)
	_ Resolver = (*meters)(nil)
)

// meter is one external meter.
type meter struct {
	name string
	from meterReader
	inbox
	background
}

// meterReader reads a meter.
type meterReader interface {
	// read hands out what the meter gives: one reading, or many where the meter goes on by itself. It returns when the
	// meter is through, has given nothing for patience, or ctx ends.
	read(ctx context.Context, patience time.Duration, put func(units.Watts), fail func(error))
}

// parseMeter takes NAME=COMMAND or NAME=URL#METRIC apart.
func parseMeter(spec string) (*meter, error) {
	name, from, ok := strings.Cut(spec, "=")
	if !ok || !meterNames.MatchString(name) || strings.TrimSpace(from) == "" {
		return nil, fmt.Errorf("meter %q: want NAME=COMMAND or NAME=URL#METRIC, with a name of letters, digits and ._-", spec)
	}
	m := &meter{name: name, from: commandMeter(from)}
	if strings.HasPrefix(from, "http://") || strings.HasPrefix(from, "https://") {
		endpoint, err := parsePrometheusMeter(from)
		if err != nil {
			return nil, fmt.Errorf("meter %s: %w", name, err)
		}
		m.from = endpoint
	}
	return m, nil
}

var meterNames = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// parseMeters takes the meters of the options apart.
func (o Options) parseMeters() ([]*meter, error) {
	if o.MeterInterval < 0 {
		return nil, fmt.Errorf("interval of external meters: saw %v, want more than 0, or 0 for %v", o.MeterInterval,
			DefaultMeterInterval)
	}
	var out []*meter
	seen := map[string]bool{}
	for _, spec := range o.Meters {
		m, err := parseMeter(spec)
		if err != nil {
			return nil, err
		}
		if seen[m.name] {
			return nil, fmt.Errorf("meter %s: saw it twice, want a name for each", m.name)
		}
		seen[m.name] = true
		out = append(out, m)
	}
	return out, nil
}

func openMeters(env Environment, opt Options) (Source, string, error) {
	all, err := opt.parseMeters()
	if err != nil {
		return nil, "", err
	}
	if len(all) == 0 {
		return nil, "", &unavailable{kind: ErrAbsent, why: "none asked for (--meter NAME=COMMAND or NAME=URL#METRIC)"}
	}
	m := &meters{env: env, interval: opt.MeterInterval}
	if m.interval == 0 {
		m.interval = DefaultMeterInterval
	}
	detail, err := m.begin(all, max(meterPatience, 3*m.interval))
	if err != nil {
		return nil, "", errors.Join(err, m.Close())
	}
	return m, detail, nil
}

// begin starts all meters and waits until each has given a reading, so that one that does not work is known at once.
func (m *meters) begin(all []*meter, patience time.Duration) (string, error) {
	firsts := make([]chan error, len(all))
	values := make([]units.Watts, len(all))
	for i, one := range all {
		first := make(chan error, 1)
		firsts[i] = first
		one.background = startBackground(m.interval, func(ctx context.Context) {
			one.from.read(ctx, patience, func(w units.Watts) {
				one.put(reading{at: time.Now(), power: w})
				if first != nil {
					values[i] = w
					first <- nil
					first = nil
				}
			}, func(err error) {
				if ctx.Err() != nil {
					return // it was told to end
				}
				one.fail(err)
				if first != nil {
					first <- err
					first = nil
				}
			})
		})
		m.meters = append(m.meters, one)
	}
	var detail []string
	for i, one := range all {
		if err := <-firsts[i]; err != nil {
			return "", fmt.Errorf("meter %s: %w", one.name, err)
		}
		detail = append(detail, fmt.Sprintf("%s says %.4g W", one.name, values[i]))
	}
	return strings.Join(detail, ", "), nil
}

// parseWatts reads a power as a meter prints it: a number, and W, mW or kW where it is not plain watts.
func parseWatts(text string) (units.Watts, error) {
	number, unit, _ := strings.Cut(strings.TrimSpace(text), " ")
	if i := strings.IndexAny(number, "mkW"); i >= 0 && unit == "" {
		number, unit = number[:i], number[i:]
	}
	scale, ok := map[string]float64{"": 1, "W": 1, "mW": 1e-3, "kW": 1e3}[strings.TrimSpace(unit)]
	v, err := strconv.ParseFloat(number, 64)
	if w := units.Watts(v * scale); ok && err == nil && meterCanSay(w) {
		return w, nil
	}
	return 0, fmt.Errorf("saw %q, want watts: a number %s, with W, mW, kW or no unit", clip(text), meterRange)
}

// meterCanSay reports whether a reading can be a power, as meterRange has it in words.
func meterCanSay(w units.Watts) bool { return w >= 0 && w <= record.MaxMeterPower }

const meterRange = "from 0 to 1e9 (1 GW)"

// clip shortens what a meter gave for an error's text.
func clip(text string) string {
	if len(text) > 120 {
		return text[:120] + "…"
	}
	return text
}

// Name implements Source.
func (*meters) Name() string { return meterName }

// Sample implements Source.
func (m *meters) Sample(now time.Time, dst []record.Sample) ([]record.Sample, error) {
	var errs []error
	for _, one := range m.meters {
		readings, err := one.take()
		if err != nil {
			errs = append(errs, fmt.Errorf("meter %s: %w", one.name, err))
		}
		for _, r := range readings {
			s := m.env.sampleAt(now, r.at, meterName, "meter:"+one.name)
			s.PowerW = units.Ptr(r.power)
			dst = append(dst, s)
		}
	}
	return dst, errors.Join(errs...)
}

// Resolution implements Resolver: readings come once per interval at the most, whatever the device itself resolves.
func (m *meters) Resolution() map[string]Resolution {
	out := map[string]Resolution{}
	for _, one := range m.meters {
		out["meter:"+one.name] = Resolution{Power: m.interval}
	}
	return out
}

// Close implements Source.
func (m *meters) Close() error {
	for _, one := range m.meters {
		one.stop()
	}
	for _, one := range m.meters {
		one.close()
	}
	return nil
}
