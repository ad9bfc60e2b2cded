package monitor

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// scrape gets the metrics as Prometheus does.
func scrape(t *testing.T, url, accept string) (body, contentType string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("saw %s, %v: %s", res.Status, err, all)
	}
	return string(all), res.Header.Get("Content-Type")
}

func TestServe(t *testing.T) {
	m := New()
	refreshed := 0
	s, err := m.Serve(t.Context(), "127.0.0.1:0", func() {
		refreshed++
		machine(m)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	body, contentType := scrape(t, s.URL(), "application/openmetrics-text; version=1.0.0; charset=utf-8")
	if !strings.HasPrefix(contentType, "application/openmetrics-text; version=1.0.0") || !strings.HasSuffix(body, "\n# EOF\n") {
		t.Errorf("saw %s, ending %q", contentType, body[max(0, len(body)-40):])
	}
	for _, want := range []string{
		"# TYPE bh_energy_joules counter", `bh_energy_joules_total{device="gpu:0",source="nvml"} `, "# TYPE bh_power_watts gauge",
		`bh_power_watts{device="gpu:0",source="nvml"} 290`, `bh_throttled{device="gpu:1",reason="power",source="nvml"} 1`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is not in\n%s", want, body)
		}
	}
	body, _ = scrape(t, s.URL(), "text/plain; version=0.0.4")
	families, err := new(expfmt.TextParser).TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{
		"bh_utilization_ratio": 0.87, "bh_temperature_celsius": 61, "bh_clock_hertz": 1.98e9, "bh_memory_total_bytes": 80 << 30,
		"bh_power_limit_watts": 700, "bh_recorder_late_seconds": 0.001, "bh_recorder_sweep_seconds": 0.0002,
	} {
		f := families[name]
		if f == nil || f.GetType() != dto.MetricType_GAUGE || f.Metric[0].GetGauge().GetValue() != want {
			t.Errorf("%s: saw %v, want %v", name, f, want)
		}
	}
	for _, name := range []string{"bh_energy_joules_total", "bh_recorder_cpu_seconds_total", "bh_recorder_sweeps_total", "bh_samples_total"} {
		if f := families[name]; f == nil || f.GetType() != dto.MetricType_COUNTER || f.Metric[0].GetCounter().GetValue() <= 0 {
			t.Errorf("%s: saw %v", name, f)
		}
	}
	if refreshed != 2 {
		t.Errorf("saw %d refreshes, want one for each scrape", refreshed)
	}
	if _, err := m.Serve(t.Context(), strings.TrimPrefix(strings.TrimSuffix(s.URL(), metricsPath), "http://"), nil); err == nil ||
		!strings.Contains(err.Error(), "address already in use") {
		t.Errorf("the same port again: saw %v", err)
	}
}

// What is absent is no metric: there is no value to fill in.
func TestServeNothing(t *testing.T) {
	m := New()
	s, err := m.Serve(t.Context(), "127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m.Add(at(0, "rapl", "cpu:0"))
	slow := at(time.Second, "cgroup", "cgroup")
	slow.PressureIOPct = units.Ptr(units.Percent(12.5))
	m.Add(at(0, "cgroup", "cgroup"), slow, at(0, record.SourceRecorder, record.RecorderDevice))
	body, _ := scrape(t, s.URL(), "application/openmetrics-text")
	for _, not := range []string{"bh_power_watts", "bh_energy", "bh_recorder_cpu", "bh_recorder_late",
		`bh_throttled_seconds_total{device="cpu:0"`, `resource="cpu"`} {
		if strings.Contains(body, not) {
			t.Errorf("saw %q in\n%s", not, body)
		}
	}
	if !strings.Contains(body, `bh_pressure_ratio{device="cgroup",resource="io",source="cgroup"} 0.125`) {
		t.Errorf("saw\n%s", body)
	}
}

// What a scraper gets is what it asks for; one that asks for nothing in particular gets what is promised.
func TestServeFormats(t *testing.T) {
	m := New()
	machine(m)
	s, err := m.Serve(t.Context(), "127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const open, text = "application/openmetrics-text; version=1.0.0", "text/plain; version=0.0.4"
	for _, c := range []struct{ accept, want string }{
		{"", open},
		{"*/*", open},
		{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", open},
		{"application/json", open},
		{"application/openmetrics-text", "application/openmetrics-text; version=0.0.1"},
		{"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75," +
			"text/plain;version=0.0.4;q=0.5,*/*;q=0.1", open}, // Prometheus 2
		{"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4," +
			"text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1", open}, // Prometheus 3
		{"text/plain", text},
		{"text/plain;version=0.0.4", text},
		{"text/plain;version=0.0.4;q=0.5,*/*;q=0.1", text},
	} {
		body, contentType := scrape(t, s.URL(), c.accept)
		if !strings.HasPrefix(contentType, c.want) || strings.HasSuffix(body, "\n# EOF\n") != (c.want != text) {
			t.Errorf("accept %q: saw %s, want %s", c.accept, contentType, c.want)
		}
	}
}

// A name that is no text is an error of the scrape: what records must not end for it.
func TestServeNoText(t *testing.T) {
	m := New()
	m.Add(at(0, "hwmon", "board:psu/Netzteil \xfc"), at(time.Second, "hwmon", "board:psu/Netzteil \xfc"))
	s, err := m.Serve(t.Context(), "127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusInternalServerError || !strings.Contains(string(body), "is not valid UTF-8") {
		t.Errorf("saw %s, %v: %s", res.Status, err, body)
	}
}
