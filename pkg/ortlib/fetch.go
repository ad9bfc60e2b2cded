package ortlib

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/banterhearts/bh/pkg/atomicfile"
)

// origin is one package that carries the library.
type origin struct {
	name     string            // pip, npm
	sha256   map[string]string // by GOOS/GOARCH, of the library itself
	download func(ctx context.Context, dir string) (archive string, err error)
	open     func(archive string) (io.ReadCloser, error)
}

// origins lists the packages in the order they are tried. The two builds differ, so each has hashes of its own, taken
// from release 1.30.0 on 2026-11-21.
func origins() []origin {
	return []origin{
		{name: "pip", download: pipDownload, open: openWheel, sha256: map[string]string{
			"linux/amd64":  "c902c70b3003c0e99fada202f37478c515ae9bba7944c2b2abd0017bae0c82ed",
			"linux/arm64":  "8a218e1e446880131115c368ec7005969a5022af9a15a26173de648fef0b7789",
			"darwin/arm64": "8f54aa3989f2d4b2f9fbe8af298b1c147978ec899a8c28e20d0d35edc0005027",
		}},
		{name: "npm", download: npmDownload, open: openTarball, sha256: map[string]string{
			"linux/amd64":  "ffb75a925ba05e47b235bb66e3e3911714a80b328a9c9425539feb204aa32a23",
			"linux/arm64":  "1f549d46250b005580b597f4164984aaf75b3bcb9f3aeb07c7f8a8fe60b23c76",
			"darwin/arm64": "685d2be5dba1309c89d3a5324b7fd06a5c42f1a61bfea32d14c4cc28d072121d",
		}},
	}
}

// fetch tries each origin in turn.
func fetch(ctx context.Context, say func(string)) (Library, error) {
	errs := []error{ErrNotFound}
	for _, o := range origins() {
		say(fmt.Sprintf("fetching ONNX Runtime %s with %s (once, into the user's cache)", Version, o.name))
		lib, err := o.fetch(ctx)
		if err == nil {
			return lib, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", o.name, err))
		if ctx.Err() != nil {
			return Library{}, ctx.Err()
		}
	}
	return Library{}, errors.Join(errs...)
}

func (o origin) fetch(ctx context.Context) (Library, error) {
	want, ok := o.sha256[runtime.GOOS+"/"+runtime.GOARCH]
	if !ok {
		return Library{}, fmt.Errorf("no pinned library for %s/%s; set $%s", runtime.GOOS, runtime.GOARCH, EnvVar)
	}
	dir, err := cacheDir()
	if err != nil {
		return Library{}, err
	}
	dir = filepath.Join(dir, o.name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Library{}, err
	}
	tmp, err := os.MkdirTemp("", "bh-onnxruntime-")
	if err != nil {
		return Library{}, err
	}
	defer os.RemoveAll(tmp) //nolint:errcheck // a left-over in the temporary folder does no harm
	archive, err := o.download(ctx, tmp)
	if err != nil {
		return Library{}, err
	}
	path := filepath.Join(dir, libraryName())
	if err := o.unpack(archive, path, want); err != nil {
		return Library{}, err
	}
	return Library{Path: path, Origin: "cache (" + o.name + ")"}, nil
}

// unpack copies the library out of the archive to path.
func (o origin) unpack(archive, path, wantSHA256 string) error {
	src, err := o.open(archive)
	if err != nil {
		return err
	}
	defer src.Close() //nolint:errcheck // only read
	return writeChecked(path, src, libraryName()+" in "+filepath.Base(archive), wantSHA256)
}

// writeChecked writes src to path, which appears only when the content has the wanted hash; "" wants none. what is its
// name in errors.
func writeChecked(path string, src io.Reader, what, wantSHA256 string) error {
	dst, err := atomicfile.Create(path)
	if err != nil {
		return err
	}
	defer dst.Close() //nolint:errcheck // a no-op after Commit
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(dst, h), src); err != nil {
		return fmt.Errorf("unpack %s: %w", what, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); wantSHA256 != "" && got != wantSHA256 {
		return fmt.Errorf("%s: saw SHA-256 %s, want %s", what, got, wantSHA256)
	}
	return dst.Commit()
}

// wheelPlatforms names pip's platform tag. The wheel is the one for Python 3.11 whatever Python is installed: only the
// library inside is used, and its hash is pinned.
var wheelPlatforms = map[string]string{
	"linux/amd64":  "manylinux_2_28_x86_64",
	"linux/arm64":  "manylinux_2_28_aarch64",
	"darwin/arm64": "macosx_14_0_arm64",
}

func pipDownload(ctx context.Context, dir string) (string, error) {
	err := pip(ctx, dir, "--no-deps", "--only-binary=:all:", "--python-version", "3.11", "--implementation", "cp", "--abi", "cp311",
		"--platform", wheelPlatforms[runtime.GOOS+"/"+runtime.GOARCH], "onnxruntime=="+Version)
	if err != nil {
		return "", err
	}
	return only(dir, "*.whl")
}

// pip runs `pip download` into dir with whichever pip is there.
func pip(ctx context.Context, dir string, args ...string) error {
	args = append([]string{"download", "--quiet", "--disable-pip-version-check", "--dest", dir}, args...)
	var errs []error
	for _, pip := range [][]string{{"python3", "-m", "pip"}, {"pip3"}, {"pip"}} {
		err := runQuiet(ctx, dir, append(pip, args...))
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// npmDownload uses `npm pack`, which downloads the package and runs none of its scripts.
func npmDownload(ctx context.Context, dir string) (string, error) {
	if err := runQuiet(ctx, dir, []string{"npm", "pack", "--silent", "onnxruntime-node@" + Version}); err != nil {
		return "", err
	}
	return only(dir, "*.tgz")
}

// runQuiet runs a command and makes its last words part of the error. On cancellation it gets SIGTERM first, so that it
// can remove what it has half downloaded.
func runQuiet(ctx context.Context, dir string, argv []string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	words := strings.TrimSpace(string(out))
	if i := strings.LastIndexByte(words, '\n'); i >= 0 {
		words = words[i+1:]
	}
	if words == "" {
		return fmt.Errorf("%s: %w", argv[0], err)
	}
	return fmt.Errorf("%s: %w: %s", argv[0], err, words)
}

// only returns the one file in dir that matches pattern.
func only(dir, pattern string) (string, error) {
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", fmt.Errorf("saw %d files %s after the download, want one", len(found), pattern)
	}
	return found[0], nil
}
