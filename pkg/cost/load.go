package cost

import (
	_ "embed"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// BookSchema is the schema of a price book and its version.
const BookSchema = "bh.prices/1"

// BuiltinPath is the Path of the built-in book.
const BuiltinPath = "built-in prices"

// builtin is the book that prices runs when none is given: the same file as pipelines/tr119/pricing.yaml, which embed
// cannot reach from here. A test holds them equal.
//
//go:embed book.yaml
var builtin []byte

// Builtin is the built-in price book.
func Builtin() (*Book, error) { return ParseBook(BuiltinPath, builtin) }

// LoadBook reads and checks the price book at path. Every fault is a *BookError that names file, line, column and field;
// several come joined.
func LoadBook(path string) (*Book, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("price book: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	data, err := io.ReadAll(io.LimitReader(f, maxBookBytes+1))
	if err != nil {
		return nil, fmt.Errorf("price book: %w", err)
	}
	if len(data) > maxBookBytes {
		return nil, fmt.Errorf("%s: saw more than %d bytes, want a price book", path, maxBookBytes)
	}
	return ParseBook(path, data)
}

// maxBookBytes bounds a price book; a real one has a few kilobytes.
const maxBookBytes = 1 << 20

// ParseBook is LoadBook of data; name is for messages.
func ParseBook(name string, data []byte) (*Book, error) {
	d, root, err := parseYAML(name, data)
	if err != nil {
		return nil, err
	}
	b := &Book{Path: name}
	at := root.values["schema"]
	if s := root.text("schema", BookSchema); s != "" && s != BookSchema {
		d.fail(at, "schema", fmt.Sprintf("%q", s), BookSchema)
	}
	b.Providers = providers(d, root)
	b.Default = b.defaults(root)
	if m := root.child("energy"); m != nil {
		b.Energy.USDPerKWh = units.USDPerKWh(m.number("usd_per_kwh"))
		b.Energy.Region, b.Energy.Currency, b.Energy.Date, b.Energy.Source = m.region(), m.currency(), m.date(), m.source()
		m.end("usd_per_kwh, " + originFields)
	}
	if m := root.child("carbon"); m != nil {
		b.Carbon.GCO2ePerKWh = units.GramsCO2ePerKWh(m.number("gco2e_per_kwh"))
		b.Carbon.Region, b.Carbon.Date, b.Carbon.Source = m.region(), m.date(), m.source()
		m.end("gco2e_per_kwh, region, date, source")
	}
	if v := root.take("on_prem"); v != nil {
		b.OnPrem = onPrem(d.mapping("on_prem", "on_prem.", v))
	}
	if m := root.child("request"); m != nil {
		b.Request = RequestMix{units.Tokens(m.count("prompt_tokens")), units.Tokens(m.count("generate_tokens"))}
		m.end("prompt_tokens, generate_tokens")
	}
	if m := root.child("tco"); m != nil {
		b.TCO = TCOPlan{units.Tokens(m.count("tokens_per_month")), m.count("months"), units.USD(m.number("upfront_usd"))}
		m.end("tokens_per_month, months, upfront_usd")
	}
	root.end("schema, providers, default_provider, energy, carbon, on_prem, request, tco")
	if err := d.err(); err != nil {
		return nil, err
	}
	return b, nil
}

// originFields are what every price says of itself.
const originFields = "region, currency, date, source"

func (m *mapping) region() string { return m.text("region", "where the price holds") }
func (m *mapping) source() string { return m.text("source", "where the price was read") }

// currency takes the currency: USD, as every figure of the records is in USD and nothing here converts.
func (m *mapping) currency() string {
	at := m.values["currency"]
	c := m.text("currency", "USD")
	if c != "" && c != "USD" {
		m.doc.fail(at, m.path+"currency", fmt.Sprintf("%q", c), "USD")
	}
	return c
}

// date takes the date that the price held at.
func (m *mapping) date() string {
	const want = "a date, YYYY-MM or YYYY-MM-DD"
	at := m.values["date"]
	s := m.text("date", want)
	if s == "" {
		return ""
	}
	for _, layout := range []string{"2006-01", time.DateOnly} {
		if _, err := time.Parse(layout, s); err == nil {
			return s
		}
	}
	m.doc.fail(at, m.path+"date", fmt.Sprintf("%q", s), want)
	return ""
}

// providers takes the list of providers.
func providers(d *document, root *mapping) []Provider {
	v := root.take("providers")
	list, ok := v.(*ast.SequenceNode)
	if v == nil || !ok || len(list.Values) == 0 {
		d.fail(root.node, "providers", "none", "a list of at least one provider")
		return nil
	}
	var all []Provider
	for i, n := range list.Values {
		field := fmt.Sprintf("providers[%d]", i)
		p := provider(d.mapping(field, field+".", n))
		if slices.ContainsFunc(all, func(q Provider) bool { return p.Name != "" && q.Name == p.Name }) {
			d.fail(n, field+".name", fmt.Sprintf("%q", p.Name), "a name that no other provider has")
		}
		all = append(all, p)
	}
	return all
}

var providerName = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]*$`)

// provider takes one provider.
func provider(m *mapping) Provider {
	const wantName = "a name in small letters, digits and _.- other than " + OnPremProvider
	at := m.values["name"]
	p := Provider{Name: m.text("name", wantName)}
	if p.Name != "" && (p.Name == OnPremProvider || !providerName.MatchString(p.Name)) {
		m.doc.fail(at, m.path+"name", fmt.Sprintf("%q", p.Name), wantName)
	}
	at = m.values["device"]
	p.Device = record.Device(m.text("device", "cpu or gpu"))
	if p.Device != "" && p.Device != record.CPU && p.Device != record.GPU {
		m.doc.fail(at, m.path+"device", fmt.Sprintf("%q", p.Device), "cpu or gpu")
	}
	p.Instance = m.text("instance", "what is rented, in the provider's terms")
	p.Region, p.Currency, p.Date, p.Source = m.region(), m.currency(), m.date(), m.source()
	p.Original = m.flag("original")
	p.USDPerHour = tierPrices(m.child("usd_per_hour"))
	m.end("name, device, instance, " + originFields + ", original, usd_per_hour")
	return p
}

// tierPrices takes the prices of a provider's tiers. A tier without a price is left out or null, never 0.
func tierPrices(m *mapping) map[record.Tier]units.USDPerHour {
	if m == nil {
		return nil
	}
	prices := map[record.Tier]units.USDPerHour{}
	var known []string
	for _, tier := range record.Tiers() {
		if tier == record.OnPrem {
			continue
		}
		known = append(known, string(tier))
		at := m.values[string(tier)]
		price := m.optional(string(tier))
		if price == nil {
			continue
		}
		if *price == 0 {
			m.doc.fail(at, m.path+string(tier), "0", "a price above 0, or nothing where it is unknown")
			continue
		}
		prices[tier] = units.USDPerHour(*price)
	}
	m.end("the tiers " + strings.Join(known, ", "))
	return prices
}

// defaults takes the default provider of each device; every device that has providers needs one.
func (b *Book) defaults(root *mapping) map[record.Device]string {
	m := root.child("default_provider")
	if m == nil {
		return nil
	}
	chosen := map[record.Device]string{}
	for _, device := range []record.Device{record.CPU, record.GPU} {
		names := b.namesFor(device)
		at := m.take(string(device))
		if at == nil && len(names) == 0 {
			continue
		}
		want := "one of the " + string(device) + " providers " + strings.Join(names, ", ")
		if at == nil {
			m.missing(string(device), want)
			continue
		}
		name := at.GetToken().Value
		if !slices.Contains(names, name) {
			m.doc.fail(at, m.path+string(device), show(at), want)
		}
		chosen[device] = name
	}
	m.end("cpu, gpu")
	return chosen
}

// namesFor lists the providers of a device.
func (b *Book) namesFor(device record.Device) []string {
	var names []string
	for _, p := range b.Providers {
		if p.Device == device {
			names = append(names, p.Name)
		}
	}
	return names
}

// onPrem takes the capital cost of a machine of one's own; all of it goes together.
func onPrem(m *mapping) OnPrem {
	capital := m.optional("capital_usd")
	if capital == nil {
		m.end("capital_usd, and with it lifetime_hours, " + originFields)
		return OnPrem{}
	}
	o := OnPrem{
		CapitalUSD: units.Ptr(units.USD(*capital)), LifetimeHours: units.Hours(m.count("lifetime_hours")),
		Region: m.region(), Currency: m.currency(), Date: m.date(), Source: m.source(),
	}
	m.end("capital_usd, lifetime_hours, " + originFields)
	return o
}
