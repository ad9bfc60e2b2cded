package report

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/atomicfile"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/roofline"
)

// toolName is how the manifest calls what wrote a report.
const toolName = "bh-report"

// Write renders the report about the inputs into the folder of o, and notes the files in the manifest where one stands
// there. Each file appears whole or not at all; report.md comes last, so that a report that is there is there with all
// its parts. Figures of an earlier report that this one does not have are removed.
func Write(in *Inputs, o Options) error {
	if err := o.Validate(); err != nil {
		return err
	}
	files, err := Render(in)
	if err != nil {
		return err
	}
	s := settingsOf(in, files)
	data, err := s.json()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(o.Output, FiguresDir), 0o755); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	stale := staleFigures(o.Output, s)
	files = slices.Insert(files, 0, File{SettingsFile, data})
	slices.SortStableFunc(files, func(a, b File) int { return writeOrder(a) - writeOrder(b) })
	for _, f := range files {
		if err := atomicfile.Write(filepath.Join(o.Output, filepath.FromSlash(f.Name)), f.Data); err != nil {
			return err
		}
	}
	for _, name := range stale {
		if err := os.Remove(filepath.Join(o.Output, filepath.FromSlash(name))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove a figure of an earlier report: %w", err)
		}
	}
	return recordFiles(o, files, stale)
}

// Findings are the key findings of the report in dir as plain text, and the path of its page. A folder without a report
// is bad input.
func Findings(dir string) (findings []string, page string, err error) {
	s, err := readSettings(dir)
	if err != nil {
		return nil, "", fmt.Errorf("no report in %s: %w", dir, err)
	}
	return s.Findings, filepath.Join(dir, HTMLFile), nil
}

// writeOrder puts the figures first and report.md last.
func writeOrder(f File) int {
	switch {
	case strings.HasPrefix(f.Name, FiguresDir+"/"):
		return 0
	case f.Name == MarkdownFile:
		return 2
	}
	return 1
}

// staleFigures lists the figures that the report in dir has and this one does not. A folder without a readable report
// has none: its files are not ours to remove.
func staleFigures(dir string, now *settings) []string {
	before, err := readSettings(dir)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(before.Files, func(name string) bool {
		return !figureFile(name) || slices.Contains(now.Files, name)
	})
}

// figureFile reports whether name is one that a report gives to a figure, so that no report.json can name another file.
func figureFile(name string) bool {
	dir, base, ok := strings.Cut(name, "/")
	ext := filepath.Ext(base)
	return ok && dir == FiguresDir && !strings.ContainsAny(base, `/\`) && (ext == ".svg" || ext == ".png")
}

// readSettings reads the report.json in dir.
func readSettings(dir string) (*settings, error) {
	path := filepath.Join(dir, SettingsFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, cli.BadInput(err)
	}
	s := new(settings)
	if err := json.Unmarshal(data, s); err != nil {
		return nil, cli.BadInputf("%s: %w", path, err)
	}
	if s.Schema != SettingsSchema {
		return nil, cli.BadInputf("%s: field schema: saw %q, want %q", path, s.Schema, SettingsSchema)
	}
	return s, nil
}

// recordFiles notes the files in the manifest in one change: report.md with its lineage, and the others with the same.
func recordFiles(o Options, files []File, stale []string) error {
	if _, err := os.Stat(filepath.Join(o.Output, manifest.FileName)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	inputs := []string{}
	for _, f := range []string{o.Prices, o.Matrix} {
		if f != "" {
			inputs = append(inputs, f)
		}
	}
	for _, name := range slices.Concat(measurementFiles, []string{CostFile}, statsFiles, []string{SamplesFile, roofline.FileName}) {
		if path := filepath.Join(o.Dir, name); exists(path) {
			inputs = append(inputs, path)
		}
	}
	if err := manifest.Record(filepath.Join(o.Output, MarkdownFile), toolName, o.Command, inputs); err != nil {
		return err
	}
	return manifest.Update(o.Output, func(m *manifest.Manifest) error {
		i := slices.IndexFunc(m.Artifacts, func(a manifest.Artifact) bool { return a.Path == MarkdownFile })
		if i < 0 {
			return fmt.Errorf("%s: %s was not recorded", manifest.FileName, MarkdownFile)
		}
		lineage := m.Artifacts[i]
		for _, f := range files {
			a := lineage
			sum := sha256.Sum256(f.Data)
			a.Path, a.SHA256, a.Bytes = f.Name, hex.EncodeToString(sum[:]), int64(len(f.Data))
			m.Put(a)
		}
		m.Artifacts = slices.DeleteFunc(m.Artifacts, func(a manifest.Artifact) bool { return slices.Contains(stale, a.Path) })
		return nil
	})
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
