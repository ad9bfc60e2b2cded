package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/roofline"
)

func init() {
	register(section{placeEnvironment, "Environment and artifacts", environmentSection})
	register(section{placeEnvironment + 1, "Backends", backendFacts})
	register(section{placeEnvironment + 2, "Sensors", sensorFacts})
	register(section{placeEnvironment + 3, "Artifacts", artifactTable})
}

// field is a line of a table of facts; an empty value is left out, as a manifest holds what the system told and no more.
type field struct{ name, value string }

// factTable shows the fields that have a value, or is nil where none has.
func factTable(caption string, fields []field) Block {
	t := newTable(caption, []string{"What", "Value"}, nil)
	for _, f := range fields {
		if f.value != "" {
			t.lines([]Line{phrase(f.name), phrase(f.value)})
		}
	}
	if len(t.table.Rows) == 0 {
		return nil
	}
	return t.block()
}

func environmentSection(d *data) []Block {
	if d.Manifest == nil || d.Manifest.Environment == nil {
		return []Block{Note{Remark, prose("No environment is on record: %s.", word(d.noEnvironment()))}}
	}
	blocks := []Block{}
	if t := factTable("The machine that measured", machineFields(d.Manifest.Environment)); t != nil {
		blocks = append(blocks, t)
	}
	if m := d.Manifest.Model; m != nil {
		if t := factTable("The model", []field{{"Name", m.Name}, {"Parameters", nonZero(m.Parameters)}, {"SHA-256 of the weights", m.WeightsSHA256}}); t != nil {
			blocks = append(blocks, t)
		}
	}
	return blocks
}

// noEnvironment says why there is none.
func (d *data) noEnvironment() string {
	if d.Manifest == nil {
		return "there is no manifest beside the artifacts"
	}
	return "the manifest has none, as for an archive that was measured elsewhere"
}

func machineFields(e *manifest.Environment) []field {
	memory := ""
	if e.MemoryBytes != nil {
		memory = e.MemoryBytes.String()
	}
	fields := []field{
		{"Host (pseudonym)", e.Host}, {"System", strings.TrimSpace(e.OS + " " + e.Arch)}, {"Distribution", e.Distribution}, {"Kernel", e.Kernel},
		{"Processor", e.CPUModel}, {"Vector extensions", strings.Join(e.CPUFlags, ", ")},
		{"Logical CPUs", nonZero(int64(e.LogicalCPUs))}, {"Physical cores", nonZero(int64(e.PhysicalCores))},
		{"Frequency governor", e.Governor}, {"Virtualisation", e.Virtualisation}, {"Memory", memory},
		{"GPUs", orElse(strings.Join(e.GPUs, ", "), "none")}, {"GPU driver", e.GPUDriver},
		{"Go", e.Go}, {"bh", e.Tool}, {"Git revision", e.GitRevision},
	}
	for _, name := range slices.Sorted(maps.Keys(e.Libraries)) {
		fields = append(fields, field{"Library " + name, e.Libraries[name]})
	}
	return fields
}

func nonZero(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func backendFacts(d *data) []Block {
	if d.Manifest == nil || len(d.Manifest.Backends) == 0 {
		return nil
	}
	t := newTable("What the backends said of themselves", []string{"Backend", "What", "Value"}, nil)
	for _, name := range slices.Sorted(maps.Keys(d.Manifest.Backends)) {
		facts := d.Manifest.Backends[name]
		for _, key := range slices.Sorted(maps.Keys(facts)) {
			t.lines([]Line{phrase(name), phrase(key), phrase(facts[key])})
		}
	}
	if len(t.table.Rows) == 0 {
		return nil
	}
	return []Block{t.block()}
}

func sensorFacts(d *data) []Block {
	if d.Manifest == nil || len(d.Manifest.Sensors) == 0 {
		return nil
	}
	t := newTable("Telemetry sources and what became of them", []string{"Source", "Status", "Detail"}, nil)
	for _, s := range d.Manifest.Sensors {
		t.lines([]Line{phrase(s.Source), phrase(s.Status), phrase(s.Detail)})
	}
	return []Block{t.block()}
}

// roles says what each artifact holds.
var roles = map[string]string{
	EnergyFile: "runs with the energy of each", RunsFile: "runs", CellsFile: "cells: runs summarised",
	CostFile: "cells priced by provider, tier and method", StatsFile: "statistical analysis", SamplesFile: "telemetry samples",
	roofline.FileName: "memory bandwidth and FLOP rate of the machine",
	MetricsFile:       "runs with the energy of each", StatisticalFile: "statistical analysis",
}

func artifactTable(d *data) []Block {
	t := newTable("Artifacts that this report is made of", []string{"Artifact", "Holds"}, []string{"bytes"})
	for _, a := range d.Artifacts {
		t.lines([]Line{{code(a.Path)}, phrase(roles[a.Path]), phrase(fmt.Sprint(a.Bytes))})
	}
	if d.Profile.priced() {
		t.note("Section 7 has their hashes. Prices: %s. Matrix: %s.", code(d.BookName), word(d.matrixName()))
	} else {
		t.note("Section 7 has their hashes. Matrix: %s.", word(d.matrixName()))
	}
	return []Block{t.block()}
}

func (d *data) matrixName() string {
	switch {
	case d.plan != nil:
		return d.plan.Name
	case d.Matrix != nil:
		return manifest.FileName
	}
	return "none given"
}
