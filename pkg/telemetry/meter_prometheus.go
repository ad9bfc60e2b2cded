package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/banterhearts/bh/pkg/units"
)

// prometheusMost is the longest answer of an endpoint that is read.
const prometheusMost = 64 << 20

// prometheusMeter is a gauge in watts that an endpoint shows in Prometheus' text format.
type prometheusMeter struct {
	url, selector string
	metric        string
	labels        map[string]string
	last          *int64 // time stamp of the last reading, where the endpoint gives one
}

var _ meterReader = (*prometheusMeter)(nil)

// parsePrometheusMeter takes URL#METRIC{LABEL="VALUE"} apart.
func parsePrometheusMeter(spec string) (*prometheusMeter, error) {
	url, selector, ok := strings.Cut(spec, "#")
	families, err := new(expfmt.TextParser).TextToMetricFamilies(strings.NewReader(selector + " 0\n"))
	if !ok || err != nil || len(families) != 1 || strings.ContainsAny(selector, "\n") {
		return nil, fmt.Errorf("saw %q, want http://host:port/metrics#metric{label=\"value\"}", spec)
	}
	p := &prometheusMeter{url: url, selector: selector, labels: map[string]string{}}
	for name, family := range families {
		p.metric = name
		for _, pair := range family.Metric[0].Label {
			p.labels[pair.GetName()] = pair.GetValue()
		}
	}
	return p, nil
}

// read asks the endpoint once.
func (p *prometheusMeter) read(ctx context.Context, patience time.Duration, put func(units.Watts), fail func(error)) {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	m, err := p.ask(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("gave nothing for %v", patience)
	}
	var v float64
	if err == nil {
		v, err = gaugeValue(m)
	}
	switch {
	case err != nil:
		fail(fmt.Errorf("%s: %w", p.url, err))
	case !meterCanSay(units.Watts(v)):
		fail(fmt.Errorf("%s: %s: saw %v, want watts: a number %s", p.url, p.selector, v, meterRange))
	case m.TimestampMs != nil && p.last != nil && *p.last == *m.TimestampMs: // what was given before
	default:
		p.last = m.TimestampMs
		put(units.Watts(v))
	}
}

func gaugeValue(m *dto.Metric) (float64, error) {
	switch {
	case m.Gauge != nil:
		return m.Gauge.GetValue(), nil
	case m.Untyped != nil:
		return m.Untyped.GetValue(), nil
	}
	return 0, errors.New("the metric is not a gauge, want one in watts")
}

// ask gets the one series that is meant.
func (p *prometheusMeter) ask(ctx context.Context) (*dto.Metric, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "text/plain; version=0.0.4")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("saw status %s, want 200", resp.Status)
	}
	families, err := new(expfmt.TextParser).TextToMetricFamilies(io.LimitReader(resp.Body, prometheusMost))
	if err != nil {
		return nil, fmt.Errorf("saw no metrics in Prometheus' text format: %w", err)
	}
	return p.pick(families)
}

// pick finds the series with the metric's name and all of the labels.
func (p *prometheusMeter) pick(families map[string]*dto.MetricFamily) (*dto.Metric, error) {
	family, ok := families[p.metric]
	if !ok {
		var names []string
		for name := range families {
			if lower := strings.ToLower(name); strings.Contains(lower, "watt") || strings.Contains(lower, "power") {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return nil, fmt.Errorf("no metric %s among %d; of power or watts: %q", p.metric, len(families), names)
	}
	var found []*dto.Metric
	for _, m := range family.Metric {
		have := map[string]string{}
		for _, pair := range m.Label {
			have[pair.GetName()] = pair.GetValue()
		}
		if !slices.ContainsFunc(slices.Collect(maps.Keys(p.labels)), func(k string) bool { return have[k] != p.labels[k] }) {
			found = append(found, m)
		}
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%s is %d series of the metric's %d, want one: name its labels", p.selector, len(found),
			len(family.Metric))
	}
	return found[0], nil
}
