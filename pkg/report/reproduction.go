package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/roofline"
)

func init() {
	register(section{placeReproduction, "Reproducibility", reproduction})
	register(section{placeReproduction + 1, "Commands", commandsSection})
	register(section{placeReproduction + 2, "Key artifacts", hashTable})
}

func reproduction(d *data) []Block {
	return []Block{para("The report is made from stored artifacts alone: nothing is measured again. %s hashes the artifacts, makes the report again from them and compares every byte; %s beside the report holds what it was made with%s.",
		code("bh-report verify "+MarkdownFile), code(SettingsFile), word(d.withPrices()))}
}

// withPrices says that the price book is kept with the report, where it has one.
func (d *data) withPrices() string {
	if !d.Profile.priced() {
		return ""
	}
	return ", the price book included"
}

func commandsSection(d *data) []Block {
	var lines []string
	if d.Manifest != nil {
		for _, i := range d.Manifest.Invocations {
			lines = append(lines, commandLine(i.Command))
		}
		for _, name := range []string{RunsFile, roofline.FileName, EnergyFile, MetricsFile, CellsFile, CostFile, StatsFile, StatisticalFile} { // in the order in which they are made
			i := slices.IndexFunc(d.Manifest.Artifacts, func(a manifest.Artifact) bool { return a.Path == name })
			if i < 0 || !d.isInput(name) {
				continue
			}
			if line := commandLine(d.Manifest.Artifacts[i].Command); line != "" && !slices.Contains(lines, line) {
				lines = append(lines, line)
			}
		}
	}
	blocks := []Block{}
	if len(lines) > 0 {
		blocks = append(blocks, para("The artifacts were made with these commands, as the manifest recorded them:"), Code{"sh", strings.Join(lines, "\n")})
		if when := d.whenMeasured(); when != "" {
			blocks = append(blocks, para("Measured %s.", word(when)))
		}
	} else {
		blocks = append(blocks, para("The commands that made the artifacts are not on record; with the tools of this version they would be made with:"), Code{"sh", d.pipeline()})
	}
	return append(blocks, para("To check this report, in its folder:"), Code{"sh", "bh-report verify " + MarkdownFile})
}

// isInput reports whether the report is made of an artifact.
func (d *data) isInput(path string) bool {
	return slices.ContainsFunc(d.Artifacts, func(a Artifact) bool { return a.Path == path })
}

func commandLine(argv []string) string {
	quoted := make([]string, len(argv))
	for i, a := range argv {
		quoted[i] = a
		if a == "" || strings.ContainsAny(a, " \t\n'\"\\$*?[]{}();&|<>#~`!") {
			quoted[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}

// pipeline is the line of tools from the measurements to this report, in the folder of the artifacts.
func (d *data) pipeline() string {
	prices, plan, profile := "", "", ""
	if d.Profile != DefaultProfile {
		profile = " --profile " + string(d.Profile)
	}
	if d.prices != nil {
		prices = " --prices " + d.prices.Name
	}
	if d.plan != nil {
		plan = " --matrix " + d.plan.Name
	}
	if !d.Profile.priced() {
		return strings.Join([]string{
			fmt.Sprintf("bh-run doctor --calibrate -o %s", roofline.FileName),
			fmt.Sprintf("bh-stats analyse -o %s %s", d.StatsName, d.CellsName),
			fmt.Sprintf("bh-report --dir .%s%s", plan, profile),
		}, "\n")
	}
	return strings.Join([]string{
		fmt.Sprintf("bh-cost%s --method %s -o %s %s", prices, strings.Join(d.methods(), ","), d.CostsName, d.CellsName),
		fmt.Sprintf("bh-stats analyse -o %s %s %s", d.StatsName, d.CellsName, d.CostsName),
		fmt.Sprintf("bh-report --dir .%s%s --method %s%s", prices, plan, d.Method, profile),
	}, "\n")
}

// whenMeasured is when the invocations began and ended, as far as they are on record.
func (d *data) whenMeasured() string {
	var first, last string
	for _, i := range d.Manifest.Invocations {
		if s := i.StartUTC.UTC().Format("2006-01-02 15:04 MST"); !i.StartUTC.IsZero() && (first == "" || s < first) {
			first = s
		}
		if s := i.EndUTC.UTC().Format("2006-01-02 15:04 MST"); !i.EndUTC.IsZero() && s > last {
			last = s
		}
	}
	switch {
	case first == "":
		return ""
	case last == "":
		return "from " + first
	}
	return "from " + first + " to " + last
}

func hashTable(d *data) []Block {
	t := newTable("Key artifacts and their SHA-256", []string{"Artifact", "SHA-256"}, nil)
	for _, a := range d.Artifacts {
		t.lines([]Line{{code(a.Path)}, {code(a.SHA256)}})
	}
	return []Block{t.block()}
}
