package model

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/banterhearts/bh/pkg/atomicfile"
	"github.com/banterhearts/bh/pkg/cli"
)

// metaSchema names the content of bh_model.json and its version.
const metaSchema = "bh.model/1"

// meta is the content of bh_model.json.
type meta struct {
	Schema string              `json:"schema"`
	Name   string              `json:"name"`
	Seed   *uint64             `json:"seed"` // null where the weights were imported
	Files  map[string]fileMeta `json:"files"`
	// GGUFFormat is the ggufFormat of model.gguf; 0 where there is none.
	GGUFFormat int `json:"gguf_format,omitempty"`
}

type fileMeta struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// required are the files that every folder has. GGUFFile is missing where the vocabulary is not GPT-2's, and in folders of
// older versions of bh.
func required() []string { return []string{ConfigFile, WeightsFile, ONNXFile, ONNXKVFile} }

// large says that a file holds all weights: its hash is not checked each time the folder is opened.
func large(name string) bool { return name == WeightsFile || name == GGUFFile }

// hasGGUF says whether the folder has the model.gguf that this version writes.
func (m meta) hasGGUF() bool { return m.GGUFFormat == ggufFormat && m.Files[GGUFFile].SHA256 != "" }

// addGGUF describes model.gguf.
func (m *meta) addGGUF(size int64, sum string) {
	m.Files[GGUFFile], m.GGUFFormat = fileMeta{Bytes: size, SHA256: sum}, ggufFormat
}

// readMeta reads bh_model.json; errNoMeta says that dir has none.
func readMeta(dir string) (meta, error) {
	path := filepath.Join(dir, MetaFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return meta{}, fmt.Errorf("%s: %w", dir, errNoMeta)
	}
	if err != nil {
		return meta{}, err
	}
	var m meta
	if err := json.Unmarshal(data, &m); err != nil {
		return meta{}, fmt.Errorf("%s: %w", path, err)
	}
	if m.Schema != metaSchema {
		return meta{}, fmt.Errorf("%s: %w", path, fieldError("schema", fmt.Sprintf("%q", m.Schema), `"`+metaSchema+`"`))
	}
	if m.Name == "" {
		return meta{}, fmt.Errorf("%s: %w", path, fieldError("name", `""`, "a name"))
	}
	for _, name := range required() {
		if m.Files[name].SHA256 == "" {
			return meta{}, fmt.Errorf("%s: %w", path, fieldError("files", "no "+name, "its size and SHA-256"))
		}
	}
	return m, nil
}

var errNoMeta = errors.New("not a model folder: it has no " + MetaFile)

func (m meta) marshal() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	err := enc.Encode(m)
	return b.Bytes(), err
}

func (m meta) write(dir string) error {
	content, err := m.marshal()
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, MetaFile), content)
}

// checkSize compares a file's size with the recorded one.
func (m meta) checkSize(dir, name string) error {
	path := filepath.Join(dir, name)
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if want := m.Files[name].Bytes; info.Size() != want {
		return fmt.Errorf("%s: saw %d bytes, want %d (%s)", path, info.Size(), want, MetaFile)
	}
	return nil
}

// checkHash compares a file's SHA-256 with the recorded one.
func (m meta) checkHash(ctx context.Context, dir, name string) error {
	path := filepath.Join(dir, name)
	got, err := hashFile(ctx, path)
	if err != nil {
		return err
	}
	if want := m.Files[name].SHA256; got.SHA256 != want {
		return cli.BadInputf("%s: saw SHA-256 %s, want %s (%s)", path, got.SHA256, want, MetaFile)
	}
	return nil
}

func hashFile(ctx context.Context, path string) (fileMeta, error) {
	f, err := os.Open(path)
	if err != nil {
		return fileMeta{}, err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	h := sha256.New()
	n, err := io.Copy(h, &cancellable{ctx, f})
	if err != nil {
		return fileMeta{}, fmt.Errorf("read %s: %w", path, err)
	}
	return fileMeta{Bytes: n, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}

// cancellable stops reading when the context ends.
type cancellable struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancellable) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}

func hashBytes(data []byte) fileMeta {
	sum := sha256.Sum256(data)
	return fileMeta{Bytes: int64(len(data)), SHA256: hex.EncodeToString(sum[:])}
}
