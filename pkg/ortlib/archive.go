package ortlib

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
)

// openWheel opens the library inside a pip wheel, which is a zip file.
func openWheel(archive string) (io.ReadCloser, error) {
	z, err := zip.OpenReader(archive)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(archive), err)
	}
	member := path.Join("onnxruntime", "capi", libraryName())
	f, err := z.Open(member)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", filepath.Base(archive), err), z.Close())
	}
	return &chained{Reader: f, closers: []io.Closer{f, z}}, nil
}

// nodeArch is Node's name for GOARCH.
var nodeArch = map[string]string{"amd64": "x64", "arm64": "arm64"}

// openTarball opens the library inside an npm package, which is a gzipped tar file.
func openTarball(archive string) (io.ReadCloser, error) {
	f, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", filepath.Base(archive), err), f.Close())
	}
	name := "libonnxruntime.so.1"
	if runtime.GOOS == "darwin" {
		name = libraryName()
	}
	want := path.Join("package/bin/napi-v6", runtime.GOOS, nodeArch[runtime.GOARCH], name)
	t := tar.NewReader(z)
	for {
		h, err := t.Next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("saw no member %s", want)
			}
			return nil, errors.Join(fmt.Errorf("%s: %w", filepath.Base(archive), err), z.Close(), f.Close())
		}
		if h.Name == want {
			return &chained{Reader: t, closers: []io.Closer{z, f}}, nil
		}
	}
}

// chained reads from a member of an archive and closes the archive with it.
type chained struct {
	io.Reader
	closers []io.Closer
}

// Close closes all, inner first.
func (c *chained) Close() error {
	var errs []error
	for _, cl := range c.closers {
		errs = append(errs, cl.Close())
	}
	return errors.Join(errs...)
}
