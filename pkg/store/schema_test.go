package store

//go:generate go test -run ^TestJSONSchema$ -update .

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// schemaID is the address under which a schema names itself.
const schemaID = "https://github.com/banterhearts/bh/docs/schema/"

// schemaName is the file name of a kind's schema: run.schema.json for bh.run/1.
func schemaName(k *kind) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(string(k.schema), "bh."), "/")
	return name + ".schema.json"
}

// unitNames are the words for the units of a column's type. A column of another type needs none: its name says it.
var unitNames = map[reflect.Type]string{
	reflect.TypeFor[units.Joules]():          "joules",
	reflect.TypeFor[units.Watts]():           "watts",
	reflect.TypeFor[units.KWh]():             "kilowatt hours",
	reflect.TypeFor[units.Celsius]():         "degrees Celsius",
	reflect.TypeFor[units.Percent]():         "per cent, 0 to 100",
	reflect.TypeFor[units.Megahertz]():       "megahertz",
	reflect.TypeFor[units.Bytes]():           "bytes",
	reflect.TypeFor[units.Tokens]():          "tokens",
	reflect.TypeFor[units.TokensPerSecond](): "tokens per second",
	reflect.TypeFor[units.TokensPerKWh]():    "tokens per kilowatt hour",
	reflect.TypeFor[units.JoulesPerToken]():  "joules per token",
	reflect.TypeFor[units.Milliseconds]():    "milliseconds",
	reflect.TypeFor[units.Hours]():           "hours",
	reflect.TypeFor[units.USD]():             "US dollars",
	reflect.TypeFor[units.USDPerHour]():      "US dollars per hour",
	reflect.TypeFor[units.USDPerKWh]():       "US dollars per kilowatt hour",
	reflect.TypeFor[units.GramsCO2e]():       "grams of CO2 equivalent",
	reflect.TypeFor[units.GramsCO2ePerKWh](): "grams of CO2 equivalent per kilowatt hour",
}

// enums are the values of the columns that have few. Where the column is not required it may be empty too.
var enums = map[reflect.Type][]any{
	reflect.TypeFor[record.Mode]():   anys(record.Modes()...),
	reflect.TypeFor[record.Tier]():   anys(record.Tiers()...),
	reflect.TypeFor[record.Status](): anys(record.OK, record.Degraded, record.Failed),
	reflect.TypeFor[record.Device](): anys(record.CPU, record.GPU),
	reflect.TypeFor[record.Grade]():  anys(record.GradeA, record.GradeB, record.GradeC, record.GradeD),
}

func anys[T any](values ...T) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}

// jsonSchema generates the schema of a kind: the structure from the struct, the descriptions from its comments, and from
// this package what a reader needs and what may be null.
func jsonSchema(t *testing.T, k *kind) []byte {
	t.Helper()
	r := &jsonschema.Reflector{AllowAdditionalProperties: true, DoNotReference: true, RequiredFromJSONSchemaTags: true}
	if err := r.AddGoComments("github.com/banterhearts/bh/pkg/store", "../record", jsonschema.WithFullComment()); err != nil {
		t.Fatal(err)
	}
	s := r.ReflectFromType(k.row)
	s.ID = jsonschema.ID(schemaID + schemaName(k))
	s.Title = string(k.schema)
	s.Description = strings.Join(strings.Fields(s.Description), " ")
	s.Required = []string{"schema"}
	for _, c := range k.columns {
		p, ok := s.Properties.Get(c.name)
		if !ok {
			t.Fatalf("no property %s", c.name)
		}
		k.refine(c, p)
		if c.required && c.name != "schema" {
			s.Required = append(s.Required, c.name)
		}
	}
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(out, '\n')
}

func (k *kind) refine(c *column, p *jsonschema.Schema) {
	if unit := unitNames[c.elem]; unit != "" {
		p.Description = strings.TrimSuffix(unit+"; "+p.Description, "; ")
	}
	if c.name == "schema" {
		p.Const = k.schema
	}
	if p.Enum = enums[c.elem]; p.Enum != nil && !c.required {
		p.Enum = append([]any{""}, p.Enum...)
	}
	if c.nullable {
		p.Extras, p.Type = map[string]any{"type": []string{p.Type, "null"}}, ""
	}
}

// TestJSONSchema: the committed schemas are those of the code.
func TestJSONSchema(t *testing.T) {
	for _, k := range kinds {
		golden(t, filepath.Join("..", "..", "docs", "schema", schemaName(k)), jsonSchema(t, k))
	}
}

func compileSchema(t *testing.T, k *kind) *validator.Schema {
	t.Helper()
	s, err := validator.NewCompiler().Compile(filepath.Join("..", "..", "docs", "schema", schemaName(k)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func conforms(s *validator.Schema, line []byte) error {
	v, err := validator.UnmarshalJSON(bytes.NewReader(line))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

func checkConforms[T Row](valid func(*rapid.T, *T, int)) func(*testing.T) {
	return func(t *testing.T) {
		schema := compileSchema(t, kindOf[T]())
		rapid.Check(t, func(t *rapid.T) {
			row := drawRow[T](t)
			valid(t, &row, 0)
			if err := conforms(schema, mustJSON(nil, row)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestRecordsConform: whatever record is valid conforms to its schema.
func TestRecordsConform(t *testing.T) {
	t.Run("run", checkConforms(validRun))
	t.Run("sample", checkConforms(validSample))
	t.Run("cell", checkConforms(validCell))
	t.Run("cost", checkConforms(validCost))
}

// TestSchemaRefuses: the schemas say no to what the readers say no to.
func TestSchemaRefuses(t *testing.T) {
	schema := compileSchema(t, kindOf[record.Run]())
	for name, line := range map[string]string{
		"a wrong type":     jsonLine(t, 0, `"latency_ns":43661234`, `"latency_ns":"fast"`),
		"an unknown mode":  jsonLine(t, 0, `"mode":"generate-cached"`, `"mode":"decode"`),
		"a missing field":  jsonLine(t, 0, `"max_new_tokens":8,`, ``),
		"a null":           jsonLine(t, 0, `"batch_size":1,`, `"batch_size":null,`),
		"another kind":     string(mustJSON(t, exampleCell(0))),
		"a fraction of ns": jsonLine(t, 0, `"latency_ns":43661234`, `"latency_ns":1.5`),
	} {
		if conforms(schema, []byte(line)) == nil {
			t.Errorf("%s conforms", name)
		}
	}
	if err := conforms(schema, []byte(jsonLine(t, 0, `{`, `{"mood":1,`))); err != nil {
		t.Errorf("an unknown field: %v", err)
	}
}

// TestRequiredColumns: what Validate finds missing in an empty record is required of a table, so that a table without it
// is refused as a whole and not row by row.
func TestRequiredColumns(t *testing.T) {
	for _, k := range kinds {
		r, _ := reflect.New(k.row).Interface().(record.Record)
		for _, line := range strings.Split(r.Validate().Error(), "\n") {
			name, _, _ := strings.Cut(strings.TrimPrefix(line, "field "), ":")
			if name != "schema" && name != "reason" && !k.byName[name].required { // a reason is for runs that are not ok
				t.Errorf("%s: %s is not required", k.plural, name)
			}
		}
		if r.Kind() != k.schema {
			t.Errorf("%s: schema %s, want %s", k.plural, r.Kind(), k.schema)
		}
	}
}
