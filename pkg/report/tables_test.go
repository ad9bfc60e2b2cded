package report

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// specHeadings are the headings of spec TR119, section 4, as they must stand in report.md.
var specHeadings = []string{
	"| Backend | Mode | lat_mean_ms | throughput_mean_tok_s | power_mean_w | degraded_rate | degraded_runs |",
	"| Backend | Mode | Scenario | lat_mean_ms | lat_ci_lower | lat_ci_upper | throughput_mean_tok_s | power_mean_w | gpu_temp_mean_c |",
	"| Backend | Mode | total_cost_usd_per_1M_tok | energy_cost_usd_per_1M_tok | energy_kwh_per_1M_tok | carbon_gco2e_per_1M_tok |",
	"| Backend | Mode | Scenario | throughput_mean_tok_s | power_mean_w | gpu_hours_per_1M_tok | infra_cost_usd_per_1M_tok | energy_cost_usd_per_1M_tok | total_cost_usd_per_1M_tok |",
	"| Backend | Mode | Scenario | on_demand_usd | spot_usd | reserved_usd | reserved_1yr_usd | reserved_3yr_usd | on_prem_usd |",
	"| Provider | Backend | Mode | on_demand_usd | spot_usd | reserved_usd |",
	"| Backend | Mode | Scenario | energy_kwh_per_1M_tok | carbon_gco2e_per_1M_tok |",
	"| Backend | infra_usd_per_1M | energy_usd_per_1M | total_usd_per_1M | infra_pct | energy_pct |",
	"| Backend | Mode | time_prefill_s | time_generate_s | energy_kwh_per_request | total_cost_usd_per_request |",
	"| Backend | Mode | total_cost_usd | cost_per_month_usd | cost_per_1m_tokens_usd |",
	"| Backend | prefill_usd_per_1M | generate_usd_per_1M | generate/prefill |",
}

func TestMarkdownHasTheHeadingsOfTheSpec(t *testing.T) {
	md := renderedMarkdown(t, archive(t, "tr119"))
	for _, h := range specHeadings {
		if !strings.Contains(md, "\n"+h+"\n") {
			t.Errorf("report.md lacks the heading %s", h)
		}
	}
}

func renderedMarkdown(tb testing.TB, in *Inputs) string {
	tb.Helper()
	var b strings.Builder
	if err := writeMarkdown(&b, Build(in)); err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

// TestNumbersComeFromWhereTheySay follows every number that stands in an artifact as such back to its row and column.
func TestNumbersComeFromWhereTheySay(t *testing.T) {
	in := archive(t, "tr119")
	d := newData(in)
	followed := 0
	for _, b := range Build(in).Blocks {
		table, ok := b.(Table)
		if !ok {
			continue
		}
		for _, row := range table.Rows {
			for i, cell := range row {
				if !table.Columns[i].Numeric || len(cell) != 1 {
					continue
				}
				s := cell[0].Source
				if s == nil {
					if table.Columns[i].Name != "bytes" {
						t.Errorf("%s, %s: %q has no source", table.Caption, table.Columns[i].Name, cell.plain())
					}
					continue
				}
				if s.How != "" || !slices.Contains([]string{in.CellsName, in.CostsName}, s.Artifact) {
					continue
				}
				followed++
				if got := d.lookUp(s); got != cell[0].Text {
					t.Errorf("%s, %s: saw %s, %s holds %s", table.Caption, table.Columns[i].Name, cell[0].Text, s, got)
				}
			}
		}
	}
	if followed < 1000 {
		t.Errorf("followed %d numbers, want at least 1000", followed)
	}
}

// lookUp is the value that a source points at, as the report would show it.
func (d *data) lookUp(s *Source) string {
	where := map[string]string{}
	for pair := range strings.SplitSeq(s.Row, ", ") {
		k, v, _ := strings.Cut(pair, "=")
		where[k] = v
	}
	if s.Artifact == d.CellsName {
		for _, col := range []cellColumn{latMean, latLower, latUpper, throughputMean, throughputRatio, powerMean, gpuTemp, shapeBatch, shapePrompt, shapeNew} {
			for _, c := range d.cells {
				if col.name == s.Column && (where["backend"] == "" || c.label == where["backend"] && string(c.Mode) == where["mode"]) && c.Scenario == where["scenario"] {
					if v := col.get(c.Cell); v != nil && (where["backend"] != "" || *v != 0) {
						return units.G4(*v)
					}
				}
			}
		}
		return "nothing"
	}
	for _, col := range []costColumn{costThroughput, costPower, costHours, costInfra, costEnergy, costTotal, costKWh, costCarbon} {
		for _, r := range d.costs[where["method"]] {
			if col.name == s.Column && r.label == where["backend"] && string(r.Mode) == where["mode"] && r.Scenario == where["scenario"] &&
				r.Provider == where["provider"] && string(r.Tier) == where["tier"] {
				return units.G4Ptr(col.get(r.Cost))
			}
		}
	}
	return "nothing"
}

func TestOneBackendMeasuredFourDegraded(t *testing.T) {
	in := cpuOnly(t)
	doc := Build(in)

	status := doc.table(t, "Planned runs")
	if got := status.number(t, "degraded", "transformers-gpu", "prefill"); got != 35 {
		t.Errorf("degraded runs of transformers-gpu: saw %v, want 35", got)
	}
	if got := status.at(t, "reasons", "transformers-gpu", "prefill"); got != "backend_not_built" {
		t.Errorf("reason: saw %q, want backend_not_built", got)
	}
	summary := doc.table(t, "Latency and throughput summary")
	for column, want := range map[string]string{"lat_mean_ms": "n/a", "throughput_mean_tok_s": "n/a", "power_mean_w": "n/a", "degraded_rate": "1", "degraded_runs": "35/35"} {
		if got := summary.at(t, column, "onnxruntime-gpu", "generate"); got != want {
			t.Errorf("%s of a degraded backend: saw %q, want %q", column, got, want)
		}
	}
	if got := doc.table(t, "Cost and energy summary").at(t, "total_cost_usd_per_1M_tok", "transformers-cpu", "prefill"); got != "n/a" {
		t.Errorf("cost of a degraded backend: saw %q, want n/a", got)
	}
	for _, mode := range record.Modes() {
		if got := summary.at(t, "degraded_runs", "onnxruntime-cpu", string(mode)); got != "0/35" {
			t.Errorf("%s: saw %q, want 0/35", mode, got)
		}
	}
	if got := len(doc.table(t, "Latency, throughput and telemetry").Rows); got != 15 {
		t.Errorf("rows per scenario: saw %d, want the 15 of the one measured backend", got)
	}
}

// TestEstimatesAreMarked holds every number that rests on power against its mark: all power of the fixture is estimated.
func TestEstimatesAreMarked(t *testing.T) {
	doc := Build(cpuOnly(t))
	rests := []string{"power_mean_w", "energy_cost_usd_per_1M_tok", "energy_kwh_per_1M_tok", "carbon_gco2e_per_1M_tok", "total_cost_usd_per_1M_tok",
		"on_demand_usd", "spot_usd", "on_prem_usd", "energy_usd_per_1M", "energy_pct", "tokens_per_kwh", "energy_kwh_per_request",
		"total_cost_usd_per_request", "total_cost_usd", "prefill_usd_per_1M", "generate/prefill", "spot_saving_pct", "geo_mean", "mean"}
	bare := []string{"lat_mean_ms", "throughput_mean_tok_s", "gpu_hours_per_1M_tok", "infra_cost_usd_per_1M_tok", "infra_usd_per_1M", "time_prefill_s", "degraded_rate", "planned"}
	seen := 0
	for _, b := range doc.Blocks {
		table, ok := b.(Table)
		if !ok {
			continue
		}
		for _, row := range table.Rows {
			for i, cell := range row {
				name, text := table.Columns[i].Name, cell.plain()
				if _, err := strconv.ParseFloat(strings.TrimSuffix(text, EstimateMark), 64); err != nil {
					continue
				}
				marked := strings.HasSuffix(text, EstimateMark)
				if slices.Contains(rests, name) {
					seen++
					if !marked {
						t.Errorf("%s, %s: %s rests on an estimate and is not marked", table.Caption, name, text)
					}
				}
				if slices.Contains(bare, name) && marked {
					t.Errorf("%s, %s: %s is marked and rests on no estimate", table.Caption, name, text)
				}
			}
		}
		if slices.ContainsFunc(table.Rows, func(r []Line) bool { return slices.ContainsFunc(r, Line.estimated) }) &&
			!slices.ContainsFunc(table.Notes, func(n Line) bool { return n.plain() == EstimateNote }) {
			t.Errorf("%s: a mark without its explanation", table.Caption)
		}
	}
	if seen == 0 {
		t.Error("no number was checked")
	}
	for _, text := range keyFindings(cpuOnly(t)) {
		if strings.Contains(text, "USD per 1M") && !strings.Contains(text, EstimateMark) {
			t.Errorf("key finding without mark: %s", text)
		}
	}
}

func TestRowsAreSortedByBackendModeScenario(t *testing.T) {
	for _, caption := range []string{"Latency, throughput and telemetry", "Total cost per 1M tokens by pricing tier", "Carbon footprint per 1M tokens"} {
		table := Build(archive(t, "tr119")).table(t, caption)
		sorted := slices.IsSortedFunc(table.Rows, func(a, b []Line) int {
			return comparePlaces(place{a[0].plain(), record.Mode(a[1].plain()), a[2].plain()}, place{b[0].plain(), record.Mode(b[1].plain()), b[2].plain()})
		})
		if len(table.Rows) != 50 || !sorted {
			t.Errorf("%s: %d rows, sorted %v; want 50, sorted", caption, len(table.Rows), sorted)
		}
	}
}

func TestOrderOfInputMakesNoDifference(t *testing.T) {
	in := archive(t, "tr119")
	want := renderedMarkdown(t, in)
	slices.Reverse(in.Cells)
	slices.Reverse(in.Costs)
	// The price list decides the order of tiers within a cell; reversing rows must not.
	if got := renderedMarkdown(t, in); got != want {
		t.Errorf("reversed input gives another report: %s", firstDifference([]byte(got), []byte(want)))
	}
}
