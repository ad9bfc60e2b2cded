// Package manifest keeps results/NAME/manifest.json: on which machine and with what the measurements were made, and for
// every artifact its SHA-256, the command that made it and the hashes of what it was made from. With it a number in a
// report can be followed back to the run it comes from. Paths in it are relative to the manifest's folder, and home
// folders and host names are left out.
package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/banterhearts/bh/pkg/atomicfile"
	"github.com/banterhearts/bh/pkg/cli"
)

// Schema is the schema of this version's manifests.
const Schema = "bh.manifest/1"

// FileName is what a manifest is called.
const FileName = "manifest.json"

// Manifest is the content of manifest.json.
type Manifest struct {
	Schema      string                       `json:"schema"`
	Experiment  string                       `json:"experiment"`
	MatrixHash  string                       `json:"matrix_sha256,omitempty"` // of the resolved matrix and the model's weights
	Matrix      json.RawMessage              `json:"matrix,omitempty"`        // the resolved matrix
	Model       *Model                       `json:"model,omitempty"`
	Environment *Environment                 `json:"environment,omitempty"` // where it was measured; null for an archive
	Backends    map[string]map[string]string `json:"backends,omitempty"`    // what each backend said of itself
	Sensors     []Sensor                     `json:"sensors,omitempty"`
	Invocations []Invocation                 `json:"invocations,omitempty"` // of bh-run: one, and one for each resume
	Artifacts   []Artifact                   `json:"artifacts"`
}

// Model is what was run.
type Model struct {
	Name          string `json:"name"`
	WeightsSHA256 string `json:"weights_sha256"`
	Parameters    int64  `json:"parameters"`
	Layers        int64  `json:"layers,omitempty"` // 0 in manifests of earlier versions
	Width         int64  `json:"width,omitempty"`  // of the residual stream; as above
	VocabSize     int64  `json:"vocab_size,omitempty"`
}

// Sensor is what became of one telemetry source.
type Sensor struct {
	Source string `json:"source"`
	Status string `json:"status"`
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"` // what would make it readable
}

// Invocation is one start of bh-run.
type Invocation struct {
	StartUTC time.Time `json:"start_utc"`
	EndUTC   time.Time `json:"end_utc,omitzero"` // zero while it runs, and for ever where it was killed
	Command  []string  `json:"command"`
	Tool     string    `json:"tool"` // version line
	Runs     int       `json:"runs"` // finished by this invocation
}

// Artifact is one file of the experiment.
type Artifact struct {
	Path     string   `json:"path"` // relative to the manifest
	SHA256   string   `json:"sha256"`
	Bytes    int64    `json:"bytes"`
	Tool     string   `json:"tool"`
	Command  []string `json:"command"`
	MadeFrom []Source `json:"made_from"`
}

// Source is a file that an artifact was made from.
type Source struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
}

// Read reads the manifest in dir. A folder without one gives fs.ErrNotExist.
func Read(dir string) (*Manifest, error) {
	path := filepath.Join(dir, FileName)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, cli.BadInput(err)
	}
	m := new(Manifest)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, cli.BadInputf("%s: %w", path, err)
	}
	if m.Schema != Schema {
		return nil, cli.BadInputf("%s: field schema: saw %q, want %q", path, m.Schema, Schema)
	}
	return m, nil
}

// Update changes the manifest in dir under a lock; edit gets an empty one where there is none.
func Update(dir string, edit func(*Manifest) error) (err error) {
	unlock, err := lock(dir)
	if err != nil {
		return fmt.Errorf("lock the manifest in %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	m, err := Read(dir)
	if errors.Is(err, fs.ErrNotExist) {
		m, err = &Manifest{Schema: Schema, Artifacts: []Artifact{}}, nil
	}
	if err != nil {
		return err
	}
	if err := edit(m); err != nil {
		return err
	}
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("manifest in %s: %w", dir, err)
	}
	return atomicfile.Write(filepath.Join(dir, FileName), append(data, '\n'))
}

// Start makes dir the results folder of an experiment that was not measured by bh-run, such as an archive: a manifest
// without an environment. It keeps one that is there.
func Start(dir, experiment string) error {
	return Update(dir, func(m *Manifest) error {
		m.Experiment = experiment
		return nil
	})
}

// Record notes in the manifest beside output that tool made it with argv from inputs. Where no manifest stands beside
// output it does nothing: a table saved anywhere else is not part of an experiment. Standard input ("-") is no file and is
// noted without a hash.
func Record(output, tool string, argv, inputs []string) error {
	dir := filepath.Dir(output)
	if _, err := os.Stat(filepath.Join(dir, FileName)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	a, err := describe(dir, output)
	if err != nil {
		return err
	}
	a.Tool, a.Command = tool, Public(argv)
	for _, in := range inputs {
		if in == "-" {
			a.MadeFrom = append(a.MadeFrom, Source{Path: "-"})
			continue
		}
		src, err := describe(dir, in)
		if err != nil {
			return err
		}
		a.MadeFrom = append(a.MadeFrom, Source{Path: src.Path, SHA256: src.SHA256})
	}
	return Update(dir, func(m *Manifest) error {
		m.Put(a)
		return nil
	})
}

// Put adds an artifact or replaces the entry of its path.
func (m *Manifest) Put(a Artifact) {
	i := slices.IndexFunc(m.Artifacts, func(b Artifact) bool { return b.Path == a.Path })
	if i < 0 {
		m.Artifacts = append(m.Artifacts, a)
	} else {
		m.Artifacts[i] = a
	}
	slices.SortFunc(m.Artifacts, func(a, b Artifact) int { return strings.Compare(a.Path, b.Path) })
}

// describe hashes a file and names it relative to dir.
func describe(dir, path string) (Artifact, error) {
	sum, size, err := HashFile(path)
	if err != nil {
		return Artifact{}, err
	}
	return Artifact{Path: relative(dir, path), SHA256: sum, Bytes: size, MadeFrom: []Source{}}, nil
}

// relative names path as seen from dir, with forward slashes; a path that cannot be seen from there keeps its last
// element alone, as an absolute one does not belong in a published file.
func relative(dir, path string) string {
	from, err1 := filepath.Abs(dir)
	to, err2 := filepath.Abs(path)
	rel, err3 := filepath.Rel(from, to)
	if errors.Join(err1, err2, err3) != nil {
		return filepath.Base(path)
	}
	return filepath.ToSlash(rel)
}

// Public makes a command line fit to be published: the program without its folder, paths below the working folder
// relative, and the home folder as ~.
func Public(argv []string) []string {
	out := slices.Clone(argv)
	if len(out) > 0 {
		out[0] = filepath.Base(out[0])
	}
	for i := range out {
		out[i] = PublicPath(out[i])
	}
	return out
}

// PublicPath is Public for one text that may hold a path.
func PublicPath(s string) string {
	if wd, err := os.Getwd(); err == nil && wd != "/" {
		s = replacePath(s, wd+string(filepath.Separator), "")
		s = replacePath(s, wd, ".")
	}
	if home, err := os.UserHomeDir(); err == nil && home != "/" {
		s = replacePath(s, home, "~")
	}
	return s
}

// replacePath replaces path in s where it stands as a whole: /home/a is in neither /home/ab nor /mnt/home/a.
func replacePath(s, path, by string) string {
	var out strings.Builder
	for at := strings.Index(s, path); at >= 0; at = strings.Index(s, path) {
		end := at + len(path)
		out.WriteString(s[:at])
		if endsName(s[:at]) || beginsName(s[end:]) && !strings.HasSuffix(path, string(filepath.Separator)) {
			out.WriteString(path)
		} else {
			out.WriteString(by)
		}
		s = s[end:]
	}
	return out.String() + s
}

// endsName reports whether what follows s would belong to a name that has begun in it.
func endsName(s string) bool {
	r, _ := utf8.DecodeLastRuneInString(s)
	return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' || r == '-' || r == '.' || r == '~'
}

// beginsName reports whether s goes on with a name; a full stop that ends a sentence does not.
func beginsName(s string) bool {
	r, size := utf8.DecodeRuneInString(s)
	if r == '.' {
		return beginsName(s[size:])
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' || r == '-'
}
