package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/record"
)

func init() {
	registerFor(TR119, section{placeResults + 30, "Request-level cost", requestCosts})
	registerFor(TR119, section{placeResults + 31, "Total cost of ownership", ownershipCosts})
}

// request is the cost of the representative request on one backend, on demand at the default provider.
type request struct {
	label string
	cost.RequestCost
}

// requests are those of the method shown, by backend and way of decoding.
func (d *data) requests() []request {
	var list []request
	for _, r := range cost.Requests(d.methodCosts(), d.Book) {
		if r.Default && r.Tier == record.OnDemand {
			list = append(list, request{d.labels[subjectOf(r.Subject)], r})
		}
	}
	slices.SortStableFunc(list, func(a, b request) int {
		return cmp.Or(cmp.Compare(a.label, b.label), cmp.Compare(modeOrder(a.GenerateMode), modeOrder(b.GenerateMode)))
	})
	return list
}

// methodCosts are the cost records of the method shown.
func (d *data) methodCosts() []record.Cost {
	rows := make([]record.Cost, len(d.costs[d.Method]))
	for i, r := range d.costs[d.Method] {
		rows[i] = *r.Cost
	}
	return rows
}

// requestNumber is a figure of a request. It rests on the means of prefill and of one way of decoding.
func (d *data) requestNumber(r request, v *float64, columns, how string, energy bool) number {
	n := number{
		value: v, estimated: energy && r.EnergyGrade == record.GradeD,
		source: Source{
			Artifact: d.CostsName,
			Row: fmt.Sprintf("method=%s, backend=%s, mode=prefill and %s, provider=%s, tier=%s",
				r.Method, r.label, r.GenerateMode, r.Provider, r.Tier),
			Column: columns,
			How:    how + " from the means across scenarios, request mix of " + d.BookName,
		},
	}
	if v == nil {
		n.source.How = "absent: " + strings.ReplaceAll(r.Reason, ",", ", ")
	}
	return n
}

// pricedRequest is a request with its total cost and the interval of that.
type pricedRequest struct {
	request
	total, low, high number
}

// cells selects what the request is priced by.
func (r pricedRequest) cells() func(cellRow) bool {
	prefill, generate := of(record.Prefill, r.label), of(r.GenerateMode, r.label)
	return func(c cellRow) bool { return prefill(c) || generate(c) }
}

func (r pricedRequest) name() string { return r.label + " decoding with " + string(r.GenerateMode) }

// priceRequest takes the total of a request and its interval.
func (d *data) priceRequest(r request) pricedRequest {
	const columns, how = "throughput_tok_s, power_w, usd_per_hour", "time and energy priced"
	return pricedRequest{r, d.requestNumber(r, float(r.TotalUSD), columns, how, true),
		d.requestNumber(r, float(r.TotalCILowerUSD), columns, how+", lower end of the 95% interval", true),
		d.requestNumber(r, float(r.TotalCIUpperUSD), columns, how+", upper end of the 95% interval", true)}
}

// rankRequests are the requests that have a cost, cheapest first.
func (d *data) rankRequests() []pricedRequest {
	var list []pricedRequest
	for _, r := range d.requests() {
		if p := d.priceRequest(r); p.total.known() {
			list = append(list, p)
		}
	}
	slices.SortStableFunc(list, func(a, b pricedRequest) int { return cmp.Compare(*a.total.value, *b.total.value) })
	return list
}

func requestCosts(d *data) []Block {
	list := d.requests()
	if len(list) == 0 {
		return []Block{Note{Remark, phrase("The price book has no default provider for the kinds of backend that were run, so no request is priced.")}}
	}
	t := newTable(fmt.Sprintf("Cost of one request: %d prompt tokens and %d generated ones, on-demand", d.Book.Request.PromptTokens, d.Book.Request.GenerateTokens),
		[]string{"Backend", "Mode"}, []string{"time_prefill_s", "time_generate_s", "energy_kwh_per_request", "total_cost_usd_per_request"})
	for _, r := range list {
		t.row([]string{r.label, string(r.GenerateMode)},
			d.requestNumber(r, float(r.TimePrefillS), "throughput_tok_s", "prompt tokens / mean throughput of prefill", false),
			d.requestNumber(r, float(r.TimeGenerateS), "throughput_tok_s", "generated tokens / mean throughput of "+string(r.GenerateMode), false),
			d.requestNumber(r, float(r.EnergyKWh), "throughput_tok_s, power_w", "time x mean power", true), d.priceRequest(r).total)
	}
	t.note("Mode: how the generated tokens are decoded. The times apply a backend's mean throughput and mean power across the scenarios of each mode; prompts and answers of these lengths were not themselves run. Default provider: %s.",
		word(d.defaultProviders()))
	t.note("%s", word(d.gradeWords("")))
	return []Block{t.block()}
}

// ownership is the total cost of ownership of one backend in one mode, on demand at the default provider.
type ownership struct {
	label string
	cost.TCORow
}

func (d *data) ownerships() []ownership {
	var list []ownership
	for _, r := range cost.TCO(d.methodCosts(), d.Book) {
		if r.Default && r.Tier == record.OnDemand {
			list = append(list, ownership{d.labels[subjectOf(r.Subject)], r})
		}
	}
	slices.SortStableFunc(list, func(a, b ownership) int {
		return comparePlaces(place{a.label, a.Mode, ""}, place{b.label, b.Mode, ""})
	})
	return list
}

func ownershipCosts(d *data) []Block {
	list := d.ownerships()
	if len(list) == 0 {
		return []Block{Note{Remark, phrase("The price book has no default provider for the kinds of backend that were run, so nothing is priced.")}}
	}
	plan := d.Book.TCO
	t := newTable(fmt.Sprintf("Total cost of %.4g tokens a month for %d months, upfront %.4g USD, on-demand",
		float64(plan.TokensPerMonth), plan.Months, float64(plan.UpfrontUSD)),
		byBackendMode, []string{"total_cost_usd", "cost_per_month_usd", "cost_per_1m_tokens_usd"})
	for _, r := range list {
		of := func(v *float64, how string) number {
			n := number{value: v, estimated: r.EnergyGrade == record.GradeD, source: Source{
				Artifact: d.CostsName, Column: costTotal.name, How: "mean across scenarios, " + how + " by the plan of " + d.BookName,
				Row: fmt.Sprintf("method=%s, backend=%s, mode=%s, provider=%s, tier=%s", r.Method, r.label, r.Mode, r.Provider, r.Tier)}}
			if v == nil {
				n.source.How = "absent: " + strings.ReplaceAll(r.Reason, ",", ", ")
			}
			return n
		}
		t.row([]string{r.label, string(r.Mode)}, of(float(r.TotalCostUSD), "for all tokens"),
			of(float(r.CostPerMonthUSD), "for the tokens of a month"), of(float(r.CostPer1MUSD), "per 1M tokens"))
	}
	t.note("It charges the hours that the tokens take at the mean cost across scenarios; an instance that stands idle costs more. Default provider: %s.",
		word(d.defaultProviders()))
	t.note("%s", word(d.gradeWords("")))
	return []Block{t.block()}
}
