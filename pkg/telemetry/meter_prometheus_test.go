package telemetry

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// endpoint serves a text as a Prometheus endpoint does; %d in it is how often it was asked.
func endpoint(t *testing.T, text string) string {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := asked.Add(1)
		switch {
		case r.URL.Path != "/metrics":
			http.NotFound(w, r)
		case text == "hang":
			<-r.Context().Done()
		case strings.Contains(text, "%d"):
			fmt.Fprintf(w, text, n)
		default:
			fmt.Fprint(w, text)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL + "/metrics"
}

const psuMetrics = `# HELP psu_watts Power at the plug.
# TYPE psu_watts gauge
psu_watts{psu="1",bay="a"} %d
psu_watts{psu="2",bay="a"} 300
# TYPE joules_total counter
joules_total 7
free 41.5
broken -1
`

func TestMeterPrometheus(t *testing.T) {
	url := endpoint(t, psuMetrics)
	m, detail, err := beginMeters(t, 10*time.Millisecond, 10*time.Second, `bmc=`+url+`#psu_watts{psu="1"}`)
	if err != nil || detail != "bmc says 1 W" {
		t.Fatalf("saw %q, %v", detail, err)
	}
	watts, _, err := await(t, m, 3)
	if err != nil || !slices.Equal(watts[:3], []float64{1, 2, 3}) {
		t.Errorf("saw %v, %v", watts, err)
	}
	if _, detail, err := beginMeters(t, time.Hour, 10*time.Second, "u="+url+"#free"); err != nil || detail != "u says 41.5 W" {
		t.Errorf("untyped: saw %q, %v", detail, err)
	}
}

// An endpoint that gives time stamps repeats a reading until it has a new one. The meter does not.
func TestMeterPrometheusTimestamps(t *testing.T) {
	url := endpoint(t, "# TYPE p gauge\np 5 1700000000000\n# asked %d\n")
	m, _, err := beginMeters(t, time.Millisecond, 10*time.Second, "bmc="+url+"#p")
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	if rows := read(t, m, time.Now()); len(rows) != 1 {
		t.Errorf("saw %d rows, want the one reading", len(rows))
	}
}

func TestMeterPrometheusFails(t *testing.T) {
	url := endpoint(t, psuMetrics)
	for _, c := range []struct{ spec, want string }{
		{url + "#psu_watts", "psu_watts is 2 series of the metric's 2, want one: name its labels"},
		{url + `#psu_watts{psu="3"}`, `is 0 series of the metric's 2`},
		{url + "#power", `no metric power among 4; of power or watts: ["psu_watts"]`},
		{url + "#joules_total", "the metric is not a gauge"},
		{url + "#broken", "broken: saw -1, want watts"},
		{url + "/more#power", "saw status 404 Not Found, want 200"},
		{endpoint(t, "<html>hello</html>") + "#power", "saw no metrics in Prometheus' text format"},
		{endpoint(t, "# TYPE power gauge\npower NaN\n") + "#power", "saw NaN, want watts"},
		{endpoint(t, "# TYPE power gauge\npower 1e308\n") + "#power", "saw 1e+308, want watts: a number from 0 to 1e9 (1 GW)"},
		{endpoint(t, "hang") + "#power", "gave nothing for 200ms"},
		{"http://127.0.0.1:1/metrics#power", "127.0.0.1:1"},
	} {
		_, _, err := beginMeters(t, time.Second, 200*time.Millisecond, "bmc="+c.spec)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: saw %v, want %q", c.spec, err, c.want)
		}
	}
}
