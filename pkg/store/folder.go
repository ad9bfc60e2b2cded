package store

import (
	"io/fs"
	"path/filepath"

	"github.com/banterhearts/bh/pkg/cli"
)

// folderFiles lists the record files of a folder and of the folders below it.
func (s *sink) folderFiles(dir string) ([]file, error) {
	var files []file
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if f, ferr := FormatOf(path); ferr == nil {
			if c, _ := codecOf(f); c.reads() {
				files = append(files, file{path, f})
			}
		}
		return nil
	})
	if err != nil {
		return nil, cli.BadInputf("cannot read %w", err)
	}
	return files, nil
}
