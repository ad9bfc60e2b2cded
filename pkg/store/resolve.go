package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/banterhearts/bh/pkg/cli"
)

// resolve turns the paths of in into files, each once, in the order given.
func (s *sink) resolve(in Input) ([]source, error) {
	if in.From != "" {
		if _, err := readable(in.From); err != nil {
			return nil, err
		}
	}
	paths := in.Paths
	if len(paths) == 0 {
		paths = []string{stdinName}
	}
	var files []source
	seen := map[string]bool{}
	for _, p := range paths {
		found, err := s.resolvePath(p, in.From)
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			if name := filepath.Clean(f.path); !seen[name] {
				seen[name] = true
				files = append(files, f)
			}
		}
	}
	return files, nil
}

// resolvePath turns one path into files. A name that exists is that file, even where it looks like a glob.
func (s *sink) resolvePath(path string, from Format) ([]source, error) {
	if path == stdinName {
		return []source{{path, from}}, nil
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return s.folderFiles(path)
	case err == nil:
		return oneFile(path, info, from)
	case errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(path, "*?["):
		return s.globFiles(path, from)
	}
	return nil, cannotRead(err)
}

// cannotRead names the file and what is wrong with it, and not the call that failed.
func cannotRead(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return cli.BadInputf("cannot read %s: %w", p.Path, p.Err)
	}
	return cli.BadInputf("cannot read %w", err)
}

func oneFile(path string, info fs.FileInfo, from Format) ([]source, error) {
	if from != "" || !info.Mode().IsRegular() {
		return []source{{path, from}}, nil
	}
	format, err := ReadableFormatOf(path)
	if err != nil {
		return nil, err
	}
	return []source{{path, format}}, nil
}

func (s *sink) globFiles(pattern string, from Format) ([]source, error) {
	names, err := filepath.Glob(pattern) // sorted
	if err != nil {
		return nil, cli.BadInputf("%s: %w", pattern, err)
	}
	if len(names) == 0 {
		return nil, cli.BadInputf("no file matches %s", pattern)
	}
	var files []source
	for _, name := range names {
		found, err := s.resolvePath(name, from)
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	return files, nil
}
