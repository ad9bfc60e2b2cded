package ortlib

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/atomicfile"
)

// InstallSummary says what Install gets and how large it is.
const InstallSummary = "the GPU build of ONNX Runtime " + Version +
	" (0.25 GB) and what it needs of CUDA 13 and cuDNN 9 (0.9 GB), with pip, into the user's cache"

// cudaWheel is a package with libraries of CUDA. Its hash is the whole wheel's, as pip checks it.
type cudaWheel struct{ name, version, sha256 string }

// cudaWheels are the libraries of CUDA that the two providers load, of CUDA 13.0, as that runs with the oldest driver;
// hashes of the Linux wheels for x86-64, taken on 2026-11-21. TensorRT's own libraries are not in the registry: the
// package there fetches them from elsewhere while it is installed, so no hash of them could be pinned.
var cudaWheels = []cudaWheel{
	{"nvidia-cuda-runtime", "13.0.96", "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548"},
	{"nvidia-cublas", "13.1.0.3", "ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171"},
	{"nvidia-curand", "10.4.0.35", "1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc"},
	{"nvidia-cuda-nvrtc", "13.0.88", "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575"},
	{"nvidia-cudnn-cu13", "9.15.1.9", "ebc9a647918df0d7298d67cfaf41579fd4c78ead9aba246f5ad9414d61b9ec4c"},
}

// TensorRTPackage is the pip package with the TensorRT that the GPU build was made for.
const TensorRTPackage = "tensorrt-cu13-libs==10.16.1.11"

// WheelsDir is where Install puts the libraries of CUDA, laid out as pip would: `pip install --target` adds to it.
func WheelsDir() (string, error) {
	dir, err := gpuDir()
	return filepath.Join(dir, "wheels"), err
}

// InstallGPU gets the GPU build and the libraries of CUDA into the user's cache, and leaves alone what is there.
func InstallGPU(ctx context.Context, say func(string)) error {
	if _, err := FetchGPU(ctx, say); err != nil {
		return err
	}
	dir, err := WheelsDir()
	if err != nil {
		return err
	}
	for _, w := range cudaWheels {
		if err := w.install(ctx, dir, say); err != nil {
			return err
		}
	}
	return nil
}

// FetchGPU gets the GPU build alone.
func FetchGPU(ctx context.Context, say func(string)) (Library, error) {
	if here := runtime.GOOS + "/" + runtime.GOARCH; here != "linux/amd64" {
		return Library{}, fmt.Errorf("no pinned GPU build of ONNX Runtime for %s, only for linux/amd64; set $%s", here, EnvVarGPU)
	}
	if lib, err := cachedGPU(gpuSHA256); err == nil {
		say("ONNX Runtime's GPU build is here: " + lib.Path)
		return lib, nil
	}
	dir, err := gpuDir()
	if err != nil {
		return Library{}, err
	}
	say("fetching the GPU build of ONNX Runtime " + Version + " with pip (0.25 GB)")
	err = download(ctx, dir, func(tmp string) error {
		return pip(ctx, tmp, append(slices.Clone(wheelArgs), "--python-version", "3.11", "--implementation", "cp", "--abi", "cp311",
			"--platform", "manylinux_2_28_x86_64", "onnxruntime-gpu=="+Version)...)
	}, func(wheel string) error { return unpackPinned(wheel, dir, gpuSHA256) })
	if err != nil {
		return Library{}, err
	}
	return cachedGPU(gpuSHA256)
}

// wheelArgs begin every `pip download` of one wheel.
var wheelArgs = []string{"--no-deps", "--only-binary=:all:"}

// install unpacks the wheel's libraries into dir, unless that was done before.
func (w cudaWheel) install(ctx context.Context, dir string, say func(string)) error {
	mark := filepath.Join(dir, w.name+"-"+w.version+".installed") // written last, so a half unpacked wheel has none
	if _, err := os.Stat(mark); err == nil {
		say(w.name + " " + w.version + " is here")
		return nil
	}
	say("fetching " + w.name + " " + w.version + " with pip")
	return download(ctx, dir, func(tmp string) error {
		list := filepath.Join(tmp, "requirements.txt")
		if err := os.WriteFile(list, fmt.Appendf(nil, "%s==%s --hash=sha256:%s\n", w.name, w.version, w.sha256), 0o644); err != nil {
			return err
		}
		args := append(slices.Clone(wheelArgs), "--require-hashes", "-r", list)
		for _, glibc := range []string{"2_27", "2_17", "2_12"} {
			args = append(args, "--platform", "manylinux_"+glibc+"_x86_64")
		}
		return pip(ctx, tmp, args...)
	}, func(wheel string) error {
		if err := unpackLibraries(wheel, dir); err != nil {
			return err
		}
		return atomicfile.Write(mark, nil)
	})
}

// download makes dir, has get put one wheel into a temporary folder, and gives it to unpack.
func download(ctx context.Context, dir string, get, unpack func(string) error) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "bh-onnxruntime-gpu-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp) //nolint:errcheck // a left-over in the temporary folder does no harm
	if err := get(tmp); err != nil {
		return errors.Join(err, ctx.Err())
	}
	wheel, err := only(tmp, "*.whl")
	if err != nil {
		return err
	}
	return unpack(wheel)
}

// unpackPinned writes the named members of a wheel into dir, each only when its hash is the pinned one.
func unpackPinned(wheel, dir string, want map[string]string) error {
	left := len(want)
	err := eachMember(wheel, func(f *zip.File) error {
		sum, ok := want[path.Base(f.Name)]
		if !ok {
			return nil
		}
		left--
		return unpackMember(f, filepath.Join(dir, path.Base(f.Name)), sum)
	})
	if err == nil && left != 0 {
		return fmt.Errorf("%s: saw %d of %d libraries", filepath.Base(wheel), len(want)-left, len(want))
	}
	return err
}

// unpackLibraries writes the shared libraries of a wheel into dir under their names in the wheel. The alternative builds
// of NVRTC, which nothing loads by itself, stay out.
func unpackLibraries(wheel, dir string) error {
	return eachMember(wheel, func(f *zip.File) error {
		name := path.Base(f.Name)
		if !strings.Contains(name, ".so") || strings.Contains(name, ".alt.so") {
			return nil
		}
		if !filepath.IsLocal(f.Name) {
			return fmt.Errorf("%s: member %q leaves the folder", filepath.Base(wheel), f.Name)
		}
		to := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return unpackMember(f, to, "") // pip has checked the whole wheel
	})
}

func eachMember(wheel string, do func(*zip.File) error) error {
	z, err := zip.OpenReader(wheel)
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(wheel), err)
	}
	defer z.Close() //nolint:errcheck // only read
	for _, f := range z.File {
		if err := do(f); err != nil {
			return err
		}
	}
	return nil
}

// unpackMember writes one member to path, which appears only when the content has the wanted hash; "" wants none.
func unpackMember(f *zip.File, path, wantSHA256 string) error {
	src, err := f.Open()
	if err != nil {
		return err
	}
	defer src.Close() //nolint:errcheck // only read
	return writeChecked(path, src, f.Name, wantSHA256)
}
