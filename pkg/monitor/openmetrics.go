package monitor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"

	"github.com/banterhearts/bh/pkg/record"
)

// Server serves the figures of a Monitor as OpenMetrics (openmetrics.io, version 1.0.0) at /metrics.
type Server struct {
	listener net.Listener
	http     *http.Server
}

// metricsPath is where scrapers look.
const metricsPath = "/metrics"

// headerTimeout is how long a scraper may take to ask.
const headerTimeout = 10 * time.Second

// Serve listens at addr ("HOST:PORT"; ":0" chooses a port) until Close. refresh, which may be nil, is called before each
// scrape, so that its values are of the latest sweep.
func (m *Monitor) Serve(ctx context.Context, addr string, refresh func()) (*Server, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("serve OpenMetrics at %s: %w", addr, err)
	}
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(collector{m}); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	metrics := promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+metricsPath, func(w http.ResponseWriter, r *http.Request) {
		if refresh != nil {
			refresh()
		}
		preferOpenMetrics(r.Header)
		metrics.ServeHTTP(w, r)
	})
	s := &Server{listener: l, http: &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout}}
	go func() { _ = s.http.Serve(l) }() // ends with Close
	return s, nil
}

// preferOpenMetrics adds OpenMetrics to what a scraper takes, behind all that it names: it gets what it asks for, and
// OpenMetrics where it asks for nothing or for anything. The handler would answer those in Prometheus' older text format.
func preferOpenMetrics(h http.Header) {
	const accept = "Accept"
	h.Set(accept, strings.Join(append(h.Values(accept), expfmt.OpenMetricsType+"; version="+expfmt.OpenMetricsVersion_1_0_0+"; q=0.001"), ","))
}

// URL is where the metrics are.
func (s *Server) URL() string {
	host, port, err := net.SplitHostPort(s.listener.Addr().String())
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port) + metricsPath
}

// Close ends the server.
func (s *Server) Close() error { return s.http.Close() }

// metric is one metric of devices; value is nil where a device does not have it.
type metric struct {
	desc  *prometheus.Desc
	typ   prometheus.ValueType
	value func(d *Device) *float64
}

var deviceLabels = []string{"source", "device"}

func gauge(name, help string, value func(d *Device) *float64) metric {
	return metric{prometheus.NewDesc("bh_"+name, help, deviceLabels, nil), prometheus.GaugeValue, value}
}

func counter(name, help string, value func(d *Device) *float64) metric {
	m := gauge(name, help, value)
	m.typ = prometheus.CounterValue
	return m
}

// scaled is a value in the base unit of its metric.
func scaled[T ~float64 | ~int64](v *T, by float64) *float64 {
	if v == nil {
		return nil
	}
	f := float64(*v) * by
	return &f
}

// The units of columns in the base units that Prometheus asks for.
const (
	percent = 0.01
	mega    = 1e6
	nano    = 1e-9
)

var deviceMetrics = []metric{
	gauge("power_watts", "Power now.", func(d *Device) *float64 { return scaled(d.PowerW, 1) }),
	gauge("power_average_watts", "The device's own moving average of power.",
		func(d *Device) *float64 { return scaled(d.Last.PowerAvgW, 1) }),
	gauge("power_limit_watts", "What the device keeps its power below.",
		func(d *Device) *float64 { return scaled(d.Last.PowerLimitW, 1) }),
	counter("energy_joules_total", "Energy since the recording began: the counter's rise, else integrated power.",
		func(d *Device) *float64 { return scaled(d.AllJ, 1) }),
	gauge("temperature_celsius", "Temperature.", func(d *Device) *float64 { return scaled(d.Last.TempC, 1) }),
	gauge("utilization_ratio", "Share of the time in which the device was busy.",
		func(d *Device) *float64 { return scaled(d.Last.UtilPct, percent) }),
	gauge("memory_utilization_ratio", "Share of the time in which the device's memory was read or written.",
		func(d *Device) *float64 { return scaled(d.Last.MemUtilPct, percent) }),
	gauge("memory_used_bytes", "Memory in use.", func(d *Device) *float64 { return scaled(d.Last.MemUsedBytes, 1) }),
	gauge("memory_total_bytes", "Memory there is.", func(d *Device) *float64 { return scaled(d.Last.MemTotalBytes, 1) }),
	gauge("memory_own_bytes", "Memory in use by the processes measured.",
		func(d *Device) *float64 { return scaled(d.Last.MemOwnBytes, 1) }),
	gauge("swap_used_bytes", "Swap in use.", func(d *Device) *float64 { return scaled(d.Last.SwapUsedBytes, 1) }),
	gauge("clock_hertz", "Clock of the processor or the graphics.",
		func(d *Device) *float64 { return scaled(d.Last.ClockMHz, mega) }),
	gauge("memory_clock_hertz", "Clock of the memory.", func(d *Device) *float64 { return scaled(d.Last.MemClockMHz, mega) }),
	gauge("processes", "Processes on the device.", func(d *Device) *float64 { return scaled(d.Last.Processes, 1) }),
	gauge("foreign_processes", "Processes on the device that are not the ones measured.",
		func(d *Device) *float64 { return scaled(d.Last.ForeignProcesses, 1) }),
	counter("cpu_seconds_total", "Processor time of the processes measured.",
		func(d *Device) *float64 { return scaled(d.Last.CPUTimeNS, nano) }),
	counter("throttled_seconds_total", "Time in which the device was slowed down, without that marked idle.",
		func(d *Device) *float64 { return d.ThrottledS }),
	counter("samples_total", "Readings.", func(d *Device) *float64 { return scaled(&d.Samples, 1) }),
	counter("gap_seconds_total", "Time without readings.", func(d *Device) *float64 { return &d.GapS }),
}

var (
	throttledDesc = prometheus.NewDesc("bh_throttled", "1 for each reason for which the device is slowed down now.",
		append(append([]string{}, deviceLabels...), "reason"), nil)
	pressureDesc = prometheus.NewDesc("bh_pressure_ratio", "Share of the time in which some task waited for the resource.",
		append(append([]string{}, deviceLabels...), "resource"), nil)
)

// recorderMetric is one metric of the recorder.
type recorderMetric struct {
	desc  *prometheus.Desc
	typ   prometheus.ValueType
	value func(r *Recorder) *float64
}

func recorderGauge(name, help string, value func(r *Recorder) *float64) recorderMetric {
	return recorderMetric{prometheus.NewDesc("bh_recorder_"+name, help, nil, nil), prometheus.GaugeValue, value}
}

func recorderCounter(name, help string, value func(r *Recorder) *float64) recorderMetric {
	m := recorderGauge(name, help, value)
	m.typ = prometheus.CounterValue
	return m
}

var recorderMetrics = []recorderMetric{
	recorderCounter("cpu_seconds_total", "Processor time of the recording process.",
		func(r *Recorder) *float64 { return r.CPUS }),
	recorderCounter("wakeups_total", "How often the recording process was put on a processor.",
		func(r *Recorder) *float64 { return scaled(r.Wakeups, 1) }),
	recorderCounter("sweeps_total", "Sweeps of the sensors.", func(r *Recorder) *float64 { return scaled(&r.Sweeps, 1) }),
	recorderCounter("missed_sweeps_total", "Planned sweeps that did not happen.",
		func(r *Recorder) *float64 { return scaled(&r.Missed, 1) }),
	recorderGauge("late_seconds", "How late the last sweep began.", func(r *Recorder) *float64 { return r.LateS }),
	recorderGauge("sweep_seconds", "How long the last sweep took.", func(r *Recorder) *float64 { return r.SweepS }),
	recorderGauge("wall_offset_seconds", "The wall clock minus the recording's timeline.",
		func(r *Recorder) *float64 { return r.WallOffsetS }),
}

// collector turns the figures into metrics at each scrape.
type collector struct{ m *Monitor }

var _ prometheus.Collector = collector{}

// Describe implements prometheus.Collector.
func (c collector) Describe(to chan<- *prometheus.Desc) {
	for _, m := range deviceMetrics {
		to <- m.desc
	}
	for _, m := range recorderMetrics {
		to <- m.desc
	}
	to <- throttledDesc
	to <- pressureDesc
}

// Collect implements prometheus.Collector.
func (c collector) Collect(to chan<- prometheus.Metric) {
	s := c.m.Snapshot()
	for i := range s.Devices {
		collectDevice(&s.Devices[i], to)
	}
	for _, m := range recorderMetrics {
		if v := m.value(&s.Recorder); v != nil {
			to <- constant(m.desc, m.typ, *v)
		}
	}
}

// constant is a metric of this value. One that cannot be served, as its labels are no text, fails the scrape with status 500 and
// says why.
func constant(desc *prometheus.Desc, typ prometheus.ValueType, v float64, labels ...string) prometheus.Metric {
	m, err := prometheus.NewConstMetric(desc, typ, v, labels...)
	if err != nil {
		return prometheus.NewInvalidMetric(desc, err)
	}
	return m
}

func collectDevice(d *Device, to chan<- prometheus.Metric) {
	for _, m := range deviceMetrics {
		if v := m.value(d); v != nil {
			to <- constant(m.desc, m.typ, *v, d.Source, d.Name)
		}
	}
	for reason := range d.Reasons {
		now := 0.0
		if strings.Contains(","+d.Last.Throttle+",", ","+reason+",") {
			now = 1
		}
		to <- constant(throttledDesc, prometheus.GaugeValue, now, d.Source, d.Name, reason)
	}
	for _, p := range pressures(&d.Last) {
		if p.share != nil {
			to <- constant(pressureDesc, prometheus.GaugeValue, *p.share, d.Source, d.Name, p.resource)
		}
	}
}

// pressure is the share of the time in which some task waited for a resource.
type pressure struct {
	resource string
	share    *float64
}

func pressures(s *record.Sample) []pressure {
	return []pressure{{"cpu", scaled(s.PressureCPUPct, percent)}, {"memory", scaled(s.PressureMemPct, percent)},
		{"io", scaled(s.PressureIOPct, percent)}}
}
