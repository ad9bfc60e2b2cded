package report

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/manifest"
)

// Verification says what Verify held against each other.
type Verification struct {
	Hashes int // hashes that were compared, by report.json and by the manifest
	Files  int // files of the report that were made again
}

// Verify holds the report at path against the artifacts beside it: each artifact has the hash that report.json and the
// manifest give it, and the report made again from them is equal in every byte of every file. The first thing that is not
// so is the error, with exit code cli.ExitGate. A folder without report.json is bad input.
//
// Drawing is arithmetic on floating point numbers: a figure made again on another processor architecture may differ in
// its last digit.
func Verify(ctx context.Context, path string) (Verification, error) {
	if _, err := os.Stat(path); err != nil {
		return Verification{}, cli.BadInput(err)
	}
	s, err := readSettings(filepath.Dir(path))
	if err != nil {
		return Verification{}, err
	}
	v := verifier{dir: filepath.Dir(path), settings: s}
	for _, step := range []func() error{v.inputs, v.artifacts, func() error { return v.render(ctx) }, v.reports} {
		if err := step(); err != nil {
			return v.Verification, err
		}
	}
	return v.Verification, nil
}

// verifier is a verification under way.
type verifier struct {
	Verification
	dir      string
	settings *settings
	manifest *manifest.Manifest // nil where there is none: an archive need not have one
}

// inputs compares the artifacts with their hashes in report.json.
func (v *verifier) inputs() error {
	for _, a := range v.settings.Inputs {
		if err := v.hash(a.Path, a.SHA256, SettingsFile); err != nil {
			return err
		}
	}
	return nil
}

// artifacts compares what the manifest names with its hashes, but for the report's own files: of those, the line that
// differs says more than a hash.
func (v *verifier) artifacts() error {
	m, err := manifest.Read(v.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	v.manifest = m
	return v.recorded(func(name string) bool { return !v.own(name) })
}

// reports compares the report's own files with their hashes in the manifest.
func (v *verifier) reports() error {
	if v.manifest == nil {
		return nil
	}
	return v.recorded(v.own)
}

func (v *verifier) own(name string) bool {
	return name == SettingsFile || slices.Contains(v.settings.Files, name)
}

// recorded compares those artifacts of the manifest that are wanted.
func (v *verifier) recorded(wanted func(name string) bool) error {
	for _, a := range v.manifest.Artifacts {
		if wanted(a.Path) {
			if err := v.hash(a.Path, a.SHA256, manifest.FileName); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *verifier) hash(name, want, by string) error {
	v.Hashes++
	sum, _, err := manifest.HashFile(filepath.Join(v.dir, filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return cli.Gatef("%s: named in %s, and it is missing", name, by)
	}
	if err != nil {
		return err
	}
	if sum != want {
		return cli.Gatef("%s: has SHA-256 %s, %s says %s", name, short(sum), by, short(want))
	}
	return nil
}

// short is the beginning of a hash, enough to tell two apart.
func short(sum string) string { return sum[:min(12, len(sum))] }

// render makes the report again and compares every file.
func (v *verifier) render(ctx context.Context) error {
	o := Options{Dir: v.dir, Title: v.settings.Title, Method: v.settings.Method, Profile: v.settings.Profile}
	if err := o.Validate(); err != nil {
		return err
	}
	in, err := load(ctx, o, v.settings.Prices, v.settings.Matrix)
	if err != nil {
		return err
	}
	files, err := Render(in)
	if err != nil {
		return err
	}
	for _, f := range files {
		v.Files++
		have, err := os.ReadFile(filepath.Join(v.dir, filepath.FromSlash(f.Name)))
		if errors.Is(err, fs.ErrNotExist) {
			return cli.Gatef("%s: the artifacts make this file, and it is missing", f.Name)
		}
		if err != nil {
			return err
		}
		if !bytes.Equal(have, f.Data) {
			return cli.Gatef("%s: %s%s", f.Name, firstDifference(have, f.Data), otherTool(v.settings))
		}
	}
	return nil
}

// otherTool says that another version wrote the report, which may be all there is to a difference.
func otherTool(s *settings) string {
	if s.Tool == cli.Version() {
		return ""
	}
	return fmt.Sprintf(" (the report was written by bh-report %s, this is %s)", s.Tool, cli.Version())
}

// firstDifference says where two files part: the line and both its versions for text, the offset otherwise.
func firstDifference(have, want []byte) string {
	at := 0
	for at < len(have) && at < len(want) && have[at] == want[at] {
		at++
	}
	if bytes.IndexByte(have, 0) >= 0 || bytes.IndexByte(want, 0) >= 0 {
		return fmt.Sprintf("differs from byte %d on", at)
	}
	line := bytes.Count(have[:at], []byte("\n")) + 1
	return fmt.Sprintf("line %d: saw %q, the artifacts give %q", line, excerpt(have, at), excerpt(want, at))
}

// excerpt is the line around an offset, at most 60 bytes before and after it.
func excerpt(text []byte, at int) string {
	const most = 60
	from := bytes.LastIndexByte(text[:at], '\n') + 1
	to := len(text)
	if end := bytes.IndexByte(text[at:], '\n'); end >= 0 {
		to = at + end
	}
	return strings.ToValidUTF8(string(text[max(from, at-most):min(to, at+most)]), "")
}
