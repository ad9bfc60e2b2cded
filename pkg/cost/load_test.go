package cost_test

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/record"
)

const pricingPath = "../../pipelines/tr119/pricing.yaml"

// TestBuiltinIsThePipelines: embed cannot reach the pipeline's file, so the built-in book is a copy of it. After editing one,
// copy it over the other.
func TestBuiltinIsThePipelines(t *testing.T) {
	embedded, err := os.ReadFile("book.yaml")
	if err != nil {
		t.Fatal(err)
	}
	pipeline, err := os.ReadFile(pricingPath)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(embedded, pipeline) {
		t.Error("pkg/cost/book.yaml and pipelines/tr119/pricing.yaml differ; copy the one that is right over the other")
	}
}

// TestBuiltinBook holds the book against the figures of the TR119 specification.
func TestBuiltinBook(t *testing.T) {
	b, err := cost.LoadBook(pricingPath)
	if err != nil {
		t.Fatal(err)
	}
	if b.Path != pricingPath || b.Energy.USDPerKWh != 0.20 || b.Carbon.GCO2ePerKWh != 500 || b.OnPrem.CapitalUSD != nil {
		t.Errorf("book %+v", b)
	}
	if b.Request.PromptTokens != 256 || b.Request.GenerateTokens != 128 || b.TCO.TokensPerMonth != 1e9 || b.TCO.Months != 12 || b.TCO.UpfrontUSD != 0 {
		t.Errorf("request %+v, TCO %+v", b.Request, b.TCO)
	}
	for name, want := range map[string][4]float64{ // on_demand, spot, reserved_1yr, reserved_3yr; 0 = none
		"aws_g5_xlarge": {1.006, 0.302, 0.704, 0.503}, "azure_nc_t4_v3": {0.90, 0.27, 0.60, 0}, "gcp_a2_highgpu": {1.20, 0.36, 0.80, 0},
	} {
		p, err := b.Provider(name)
		if err != nil {
			t.Fatal(err)
		}
		if !p.Original || p.Device != record.GPU || p.Date != "2025-12" || !strings.HasPrefix(p.Source, "TR119") {
			t.Errorf("%s: %+v", name, p)
		}
		for i, tier := range record.Tiers()[:4] {
			if price, ok := p.USDPerHour[tier]; float64(price) != want[i] || ok != (want[i] > 0) {
				t.Errorf("%s %s = %v, want %v", name, tier, price, want[i])
			}
		}
	}
	if _, err := b.Provider("nimbus"); err == nil || !strings.Contains(err.Error(), `unknown provider "nimbus", want one of aws_g5_xlarge`) {
		t.Errorf("unknown provider: %v", err)
	}
	for device, name := range b.Default {
		if p, err := b.Provider(name); err != nil || p.Device != device {
			t.Errorf("default provider of %s is %s: %v", device, name, err)
		}
	}
}

// valid is a small book; the tests of faults change one line of it.
const valid = `schema: bh.prices/1
providers:
  - name: cloud
    device: cpu
    instance: small
    region: here
    currency: USD
    date: 2026-01-31
    source: list
    usd_per_hour:
      on_demand: 1
      spot: 0.5
default_provider:
  cpu: cloud
energy:
  usd_per_kwh: 0.2
  region: here
  currency: USD
  date: 2026-01
  source: bill
carbon:
  gco2e_per_kwh: 500
  region: here
  date: 2026-01
  source: grid
on_prem:
  capital_usd: 1000
  lifetime_hours: 20000
  region: desk
  currency: USD
  date: 2026-01
  source: invoice
request:
  prompt_tokens: 256
  generate_tokens: 128
tco:
  tokens_per_month: 1e9
  months: 12
  upfront_usd: 0
`

func TestParseBook(t *testing.T) {
	b, err := cost.ParseBook("p.yaml", []byte(valid))
	if err != nil {
		t.Fatal(err)
	}
	if price := b.OnPrem.USDPerHour(); price == nil || *price != 0.05 {
		t.Errorf("1000 USD over 20000 h is %v USD/h, want 0.05", price)
	}
	if b.TCO.TokensPerMonth != 1e9 || len(b.Providers) != 1 || b.Providers[0].USDPerHour[record.Spot] != 0.5 {
		t.Errorf("book %+v", b)
	}
}

func TestFaultsNameTheirPlace(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"no date":               {"    date: 2026-01-31\n", "", `p.yaml:3:5: providers[0].date: saw nothing, want a date, YYYY-MM or YYYY-MM-DD`},
		"no region":             {"    region: here\n", "", `p.yaml:3:5: providers[0].region: saw nothing, want where the price holds`},
		"no currency":           {"    currency: USD\n", "", `p.yaml:3:5: providers[0].currency: saw nothing, want USD`},
		"no source":             {"    source: list\n", "", `p.yaml:3:5: providers[0].source: saw nothing, want where the price was read`},
		"no energy source":      {"  source: bill\n", "", `p.yaml:16:3: energy.source: saw nothing, want where the price was read`},
		"no carbon date":        {"gco2e_per_kwh: 500\n  region: here\n  date: 2026-01\n", "gco2e_per_kwh: 500\n  region: here\n", `p.yaml:22:3: carbon.date: saw nothing, want a date, YYYY-MM or YYYY-MM-DD`},
		"empty source":          {"source: list", `source: " "`, `p.yaml:9:13: providers[0].source: saw " ", want where the price was read`},
		"odd date":              {"2026-01-31", "January", `p.yaml:8:11: providers[0].date: saw "January", want a date, YYYY-MM or YYYY-MM-DD`},
		"impossible date":       {"2026-01-31", "2026-02-31", `p.yaml:8:11: providers[0].date: saw "2026-02-31", want a date, YYYY-MM or YYYY-MM-DD`},
		"a year":                {"2026-01-31", "2026", `p.yaml:8:11: providers[0].date: saw 2026, want a date, YYYY-MM or YYYY-MM-DD`},
		"another currency":      {"currency: USD\n    date", "currency: EUR\n    date", `p.yaml:7:15: providers[0].currency: saw "EUR", want USD`},
		"negative price":        {"on_demand: 1", "on_demand: -1", `p.yaml:11:18: providers[0].usd_per_hour.on_demand: saw -1, want a finite number of at least 0`},
		"NaN price":             {"on_demand: 1", "on_demand: .nan", `p.yaml:11:18: providers[0].usd_per_hour.on_demand: saw .nan, want a finite number of at least 0`},
		"infinite price":        {"on_demand: 1", "on_demand: .inf", `p.yaml:11:18: providers[0].usd_per_hour.on_demand: saw .inf, want a finite number of at least 0`},
		"free instance":         {"on_demand: 1", "on_demand: 0", `p.yaml:11:18: providers[0].usd_per_hour.on_demand: saw 0, want a price above 0, or nothing where it is unknown`},
		"price as text":         {"on_demand: 1", "on_demand: cheap", `p.yaml:11:18: providers[0].usd_per_hour.on_demand: saw "cheap", want a finite number of at least 0`},
		"unknown tier":          {"spot: 0.5", "weekly: 0.5", `p.yaml:12:7: providers[0].usd_per_hour.weekly: saw an unknown field, want one of the tiers on_demand, spot, reserved_1yr, reserved_3yr`},
		"on_prem as a tier":     {"spot: 0.5", "on_prem: 0.5", `p.yaml:12:7: providers[0].usd_per_hour.on_prem: saw an unknown field`},
		"unknown provider":      {"cpu: cloud", "cpu: nimbus", `p.yaml:14:8: default_provider.cpu: saw "nimbus", want one of the cpu providers cloud`},
		"no default provider":   {"  cpu: cloud\n", "  gpu: cloud\n", `p.yaml:14:3: default_provider.cpu: saw nothing, want one of the cpu providers cloud`},
		"reserved name":         {"name: cloud", "name: on_prem", `p.yaml:3:11: providers[0].name: saw "on_prem", want a name`},
		"name with a space":     {"name: cloud", "name: my cloud", `p.yaml:3:11: providers[0].name: saw "my cloud", want a name`},
		"unknown device":        {"device: cpu", "device: tpu", `p.yaml:4:13: providers[0].device: saw "tpu", want cpu or gpu`},
		"unknown field":         {"instance: small", "instance: small\n    colour: red", `p.yaml:6:5: providers[0].colour: saw an unknown field, want one of name, device`},
		"unknown root field":    {"tco:", "bonus: 1\ntco:", `p.yaml:36:1: bonus: saw an unknown field, want one of schema, providers`},
		"flag as text":          {"instance: small", "instance: small\n    original: perhaps", `p.yaml:6:15: providers[0].original: saw "perhaps", want true or false`},
		"providers as text":     {"device: cpu", "device: [cpu]", `p.yaml:4:13: providers[0].device: saw a list, want cpu or gpu`},
		"negative energy":       {"usd_per_kwh: 0.2", "usd_per_kwh: -0.2", `p.yaml:16:16: energy.usd_per_kwh: saw -0.2, want a finite number of at least 0`},
		"no energy price":       {"  usd_per_kwh: 0.2\n", "", `p.yaml:16:3: energy.usd_per_kwh: saw nothing, want a finite number of at least 0`},
		"energy as a number":    {"carbon:\n", "carbon: 500\nrest:\n", `p.yaml:21:9: carbon: saw 500, want a mapping`},
		"half a token":          {"prompt_tokens: 256", "prompt_tokens: 0.5", `p.yaml:34:18: request.prompt_tokens: saw 0.5, want a whole number of at least 1`},
		"zero months":           {"months: 12", "months: 0", `p.yaml:38:11: tco.months: saw 0, want a whole number of at least 1`},
		"capital without hours": {"  lifetime_hours: 20000\n", "", `p.yaml:27:3: on_prem.lifetime_hours: saw nothing, want a whole number of at least 1`},
		"capital without date":  {"region: desk\n  currency: USD\n  date: 2026-01\n", "region: desk\n  currency: USD\n", `p.yaml:27:3: on_prem.date: saw nothing`},
		"hours without capital": {"  capital_usd: 1000\n", "", `p.yaml:27:3: on_prem.lifetime_hours: saw an unknown field, want one of capital_usd`},
		"another schema":        {"bh.prices/1", "bh.prices/9", `p.yaml:1:9: schema: saw "bh.prices/9", want bh.prices/1`},
		"a key twice":           {"months: 12", "months: 12\n  months: 13", `p.yaml:39:3: price book: saw mapping key "months" already defined at [38:3], want valid YAML`},
		"broken YAML":           {"default_provider:", "default_provider: [", `p.yaml:15:1: price book: saw `},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(valid, c.old, c.new, 1)
			if text == valid {
				t.Fatalf("%q is not in the book", c.old)
			}
			_, err := cost.ParseBook("p.yaml", []byte(text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("saw  %v\nwant %s", err, c.want)
			}
			var fault *cost.BookError
			if !errors.As(err, &fault) {
				t.Errorf("%v is no BookError", err)
			}
		})
	}
}

func TestBooksThatAreNone(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"empty":         {"", "p.yaml:1:1: price book: saw nothing, want one YAML mapping"},
		"only comments": {"# nothing\n", "p.yaml:1:1: price book: saw nothing, want one YAML mapping"},
		"a list":        {"- 1\n", "price book: saw a list, want a mapping"},
		"two documents": {"a: 1\n---\nb: 2\n", "price book: saw 2 YAML documents, want one YAML mapping"},
		"no providers":  {"schema: bh.prices/1\nproviders: []\n", "providers: saw none, want a list of at least one provider"},
	} {
		if _, err := cost.ParseBook("p.yaml", []byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: saw %v, want %s", name, err, c.want)
		}
	}
	_, err := cost.LoadBook(filepath.Join(t.TempDir(), "none.yaml"))
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("missing file: %v", err)
	}
	twice := strings.Replace(valid, "default_provider:", strings.Join(strings.Split(valid, "\n")[2:12], "\n")+"\ndefault_provider:", 1)
	if _, err = cost.ParseBook("p.yaml", []byte(twice)); err == nil || !strings.Contains(err.Error(), `providers[1].name: saw "cloud", want a name that no other provider has`) {
		t.Errorf("a provider twice: %v", err)
	}
	_, err = cost.ParseBook("p.yaml", []byte("schema: x\n"))
	if lines := strings.Count(err.Error(), "\n") + 1; lines != 6 || !strings.HasSuffix(err.Error(), "and 2 more") {
		t.Errorf("a book wrong throughout gives %d lines: %v", lines, err)
	}
}

func FuzzParseBook(f *testing.F) {
	f.Add([]byte(valid))
	f.Add([]byte("schema: bh.prices/1\nproviders:\n  - {name: a, usd_per_hour: {spot: 1}}\n"))
	f.Add([]byte("a: &x [*x]\n"))
	f.Add([]byte("? {a: 1}\n: 2\n"))
	f.Add([]byte("on_prem: !!map {capital_usd: 1e999}\n<<: {schema: bh.prices/1}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := cost.ParseBook("p.yaml", data)
		if (b == nil) == (err == nil) {
			t.Fatalf("book %v and error %v", b, err)
		}
		if err != nil {
			return
		}
		for _, p := range b.Providers {
			if p.Name == "" || p.Region == "" || p.Currency != "USD" || p.Date == "" || p.Source == "" {
				t.Errorf("a price without its origin: %+v", p)
			}
			for tier, price := range p.USDPerHour {
				if !(price > 0) || math.IsInf(float64(price), 0) || tier == record.OnPrem {
					t.Errorf("%s %s costs %v", p.Name, tier, price)
				}
			}
		}
	})
}
