package report

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/manifest"
)

// Verification says what Verify held against each other.
type Verification struct {
	Artifacts int // files whose hash was compared
	Files     int // files of the report that were made again
}

// Verify holds the report at path against the artifacts beside it: each artifact has the hash that the manifest and
// report.json give it, and the report made again from them is equal in every byte of every file. The first thing that is
// not so is the error, with exit code cli.ExitGate. A folder without report.json is bad input.
//
// Drawing is arithmetic on floating point numbers: a figure made again on another processor architecture may differ in
// its last digit.
func Verify(ctx context.Context, path string) (Verification, error) {
	var v Verification
	dir := filepath.Dir(path)
	if _, err := os.Stat(path); err != nil {
		return v, cli.BadInput(err)
	}
	s, err := readSettings(dir)
	if err != nil {
		return v, err
	}
	if v.Artifacts, err = verifyHashes(dir, s); err != nil {
		return v, err
	}
	in, err := load(ctx, dir, s.Title, s.Method, s.Prices, s.Matrix)
	if err != nil {
		return v, err
	}
	files, err := Render(in)
	if err != nil {
		return v, err
	}
	for _, f := range files {
		v.Files++
		have, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(f.Name)))
		if errors.Is(err, fs.ErrNotExist) {
			return v, cli.Gatef("%s: the artifacts make this file, and it is missing", f.Name)
		}
		if err != nil {
			return v, err
		}
		if !bytes.Equal(have, f.Data) {
			return v, cli.Gatef("%s: %s%s", f.Name, firstDifference(have, f.Data), otherTool(s))
		}
	}
	return v, nil
}

// otherTool says that another version wrote the report, which may be all there is to a difference.
func otherTool(s *settings) string {
	if s.Tool == cli.Version() {
		return ""
	}
	return fmt.Sprintf(" (the report was written by bh-report %s, this is %s)", s.Tool, cli.Version())
}

// verifyHashes compares every artifact with its hash in report.json and in the manifest.
func verifyHashes(dir string, s *settings) (int, error) {
	n := 0
	for _, a := range s.Inputs {
		n++
		if err := verifyHash(dir, a.Path, a.SHA256, SettingsFile); err != nil {
			return n, err
		}
	}
	m, err := manifest.Read(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return n, nil // an archive that was never part of a run
	}
	if err != nil {
		return n, err
	}
	for _, a := range m.Artifacts {
		n++
		if err := verifyHash(dir, a.Path, a.SHA256, manifest.FileName); err != nil {
			return n, err
		}
	}
	return n, nil
}

func verifyHash(dir, name, want, by string) error {
	sum, _, err := manifest.HashFile(filepath.Join(dir, filepath.FromSlash(name)))
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
