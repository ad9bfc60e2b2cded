package store

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/record"
)

// joinedRuns is the base name of the file in which a results folder keeps its runs with their energy: runs.parquet once
// more, with more columns filled.
const joinedRuns = "energy"

// folderFiles lists the record files that a folder stands for: those in it and in the folders below it (so that shards
// are merged by reading the folder they are in), except that within each folder
//
//   - of files with one base name only the first by format is read, in the order Parquet, Arrow, JSON-lines, CSV:
//     runs.jsonl is the journal that runs.parquet was made from;
//   - files that hold other kinds than the wanted ones are passed over;
//   - where runs were joined with telemetry, energy.parquet is read and runs.parquet is not;
//   - where there are runs, cells are passed over: they summarise the same runs.
//
// Hidden files and folders and files with other extensions are passed over. A file that cannot be read is an error.
func (s *sink) folderFiles(dir string) ([]source, error) {
	byFolder := map[string][]source{}
	var folders []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != dir && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
		case d.IsDir():
			folders = append(folders, path)
		default:
			parent := filepath.Dir(path)
			if f, err := FormatOf(path); err == nil {
				byFolder[parent] = append(byFolder[parent], source{path, f})
			}
		}
		return nil
	})
	if err != nil {
		return nil, cli.BadInputf("cannot read %w", err)
	}
	var files []source
	for _, folder := range folders {
		found, err := s.pick(byFolder[folder])
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		return nil, cli.BadInputf("folder %s holds no %s", dir, s.h.wanted())
	}
	return files, nil
}

// pick applies the rules of folderFiles to the files of one folder.
func (s *sink) pick(files []source) ([]source, error) {
	best := map[string]*codec{}
	for _, f := range files {
		c, err := codecOf(f.format)
		if err != nil {
			return nil, err
		}
		if b := best[f.base()]; c.reads() && (b == nil || c.rank < b.rank) {
			best[f.base()] = c
		}
	}
	files = slices.DeleteFunc(files, func(f source) bool { b := best[f.base()]; return b == nil || b.format != f.format })
	found := map[*kind][]source{}
	for _, f := range files {
		k, err := s.peek(f)
		if err != nil {
			return nil, err
		}
		if k != nil && s.h.wants(k) {
			found[k] = append(found[k], f)
		}
	}
	return withoutRepeats(found), nil
}

// withoutRepeats drops files whose rows stand in another file of the same folder.
func withoutRepeats(found map[*kind][]source) []source {
	runs := kindOf[record.Run]()
	joined := slices.ContainsFunc(found[runs], func(f source) bool { return f.base() == joinedRuns })
	var files []source
	for _, k := range kinds {
		if k == kindOf[record.Cell]() && len(found[runs]) > 0 {
			continue
		}
		for _, f := range found[k] {
			if k == runs && joined && f.base() == "runs" {
				continue
			}
			files = append(files, f)
		}
	}
	return files
}

// base is the file's name without folder and extension.
func (f source) base() string {
	name := filepath.Base(f.path)
	return strings.TrimSuffix(name, filepath.Ext(name))
}

// peek is the kind of a file, or nil for a well-formed one that holds no records. It scans for no kind at all, up to the
// row that says which kind there is.
func (s *sink) peek(f source) (*kind, error) {
	probe := newSink(s.ctx, Handlers{})
	err := probe.scanFile(f, nil)
	if err == nil { // no row could be told
		err = probe.sum.Errors[0]
	}
	var unwanted *unwantedError
	switch {
	case errors.As(err, &unwanted):
		return unwanted.kind, nil
	case errors.Is(err, errNotRecords):
		return nil, nil
	}
	return nil, cli.BadInput(err)
}
