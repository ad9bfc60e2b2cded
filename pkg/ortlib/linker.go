package ortlib

import (
	"debug/elf"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Linker knows where shared libraries are: what the system's loader finds by itself, and the folders of CUDA and of Python
// packages, which it does not search.
type Linker struct {
	cache  map[string][]string // the loader's cache: files by name
	loader []string            // folders that the loader searches
	extra  []string            // folders that it does not
}

// Needs is what a library needs of other libraries.
type Needs struct {
	Missing []Missing
	// Preload lists the files that are there but not where the loader looks, each after those that it needs itself: with
	// them loaded, in this order, the library finds what it needs.
	Preload []string
}

// Missing is a library that was found nowhere.
type Missing struct {
	Name string // libcublas.so.13
	By   string // the library that needs it
}

// SystemLinker is this machine's.
func SystemLinker() Linker {
	l := Linker{loader: filepath.SplitList(os.Getenv("LD_LIBRARY_PATH"))}
	l.loader = append(l.loader, "/lib64", "/usr/lib64", "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib", "/usr/lib")
	for _, ldconfig := range []string{"/sbin/ldconfig", "/usr/sbin/ldconfig"} {
		if out, err := exec.Command(ldconfig, "-p").Output(); err == nil {
			l.cache = parseCache(string(out))
			break
		}
	}
	var globs []string
	if wheels, err := WheelsDir(); err == nil {
		globs = append(globs, sitePackages(wheels)...)
	}
	for _, python := range []string{os.Getenv("VIRTUAL_ENV"), ".venv", "/usr/local", "/usr"} {
		if python != "" {
			globs = append(globs, sitePackages(filepath.Join(python, "lib/python3*/*-packages"))...)
		}
	}
	for _, cuda := range []string{os.Getenv("CUDA_HOME"), os.Getenv("CUDA_PATH"), "/usr/local/cuda", "/usr/local/cuda-13*", "/opt/cuda"} {
		if cuda != "" {
			globs = append(globs, filepath.Join(cuda, "lib64"))
		}
	}
	l.extra = existing(append(globs, "/usr/local/tensorrt/lib", "/opt/tensorrt/lib"))
	return l
}

// sitePackages are where the packages of NVIDIA put their libraries.
func sitePackages(dir string) []string {
	return []string{filepath.Join(dir, "nvidia/*/lib"), filepath.Join(dir, "tensorrt_libs")}
}

// existing expands patterns into folders.
func existing(globs []string) []string {
	var out []string
	for _, g := range globs {
		found, err := filepath.Glob(g)
		if err != nil {
			continue // a folder whose name is no pattern
		}
		out = append(out, found...)
	}
	return out
}

var cacheLine = regexp.MustCompile(`(?m)^\s*(\S+) \(.*x86-64.*\) => (\S+)$`)

// parseCache reads what `ldconfig -p` prints.
func parseCache(text string) map[string][]string {
	out := map[string][]string{}
	for _, m := range cacheLine.FindAllStringSubmatch(text, -1) {
		out[m[1]] = append(out[m[1]], m[2])
	}
	return out
}

// Needs follows the DT_NEEDED entries of files and of what they need. optional are patterns of libraries that the files open
// by name while they run: those outside the loader's folders are preloaded, and none is missing.
func (l Linker) Needs(files []string, optional ...string) (Needs, error) {
	w := walk{linker: l, seen: map[string]bool{}}
	for _, file := range files {
		if err := w.visit(file); err != nil {
			return Needs{}, err
		}
	}
	for _, pattern := range optional {
		for _, dir := range l.extra {
			for _, file := range existing([]string{filepath.Join(dir, pattern)}) {
				w.optional(file)
			}
		}
	}
	return w.needs, nil
}

// walk is one walk through needed libraries, each visited once.
type walk struct {
	linker Linker
	needs  Needs
	seen   map[string]bool
}

func (w *walk) visit(file string) error {
	f, err := elf.Open(file)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	defer f.Close() //nolint:errcheck // only read
	names, err := f.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	folders := runPath(f, filepath.Dir(file))
	for _, name := range names {
		if err := w.need(name, filepath.Base(file), folders); err != nil {
			return err
		}
	}
	return nil
}

// optional adds a library and what it needs, unless that is not all there.
func (w *walk) optional(file string) {
	sub := walk{linker: w.linker, seen: maps.Clone(w.seen)}
	for _, m := range w.needs.Missing {
		delete(sub.seen, m.Name) // so that it is missing again where this one needs it
	}
	if w.seen[filepath.Base(file)] || sub.visit(file) != nil || len(sub.needs.Missing) > 0 {
		return
	}
	sub.seen[filepath.Base(file)] = true
	maps.Copy(w.seen, sub.seen)
	w.needs.Preload = append(append(w.needs.Preload, sub.needs.Preload...), file)
}

func (w *walk) need(name, by string, runPath []string) error {
	if w.seen[name] {
		return nil
	}
	w.seen[name] = true
	path, byLoader := w.linker.find(name, runPath)
	if path == "" {
		w.needs.Missing = append(w.needs.Missing, Missing{name, by})
		return nil
	}
	if err := w.visit(path); err != nil {
		return err
	}
	if !byLoader {
		w.needs.Preload = append(w.needs.Preload, path)
	}
	return nil
}

// runPath are the folders that a library itself names for those it needs.
func runPath(f *elf.File, origin string) []string {
	var out []string
	for _, tag := range []elf.DynTag{elf.DT_RPATH, elf.DT_RUNPATH} {
		values, err := f.DynString(tag)
		if err != nil {
			continue // it has none
		}
		for _, v := range values {
			for _, dir := range strings.Split(v, ":") {
				out = append(out, strings.NewReplacer("$ORIGIN", origin, "${ORIGIN}", origin).Replace(dir))
			}
		}
	}
	return out
}

// find returns the file that a name stands for, and whether the loader would find it too.
func (l Linker) find(name string, runPath []string) (path string, byLoader bool) {
	for _, dir := range slices.Concat(runPath, l.loader) {
		if p := filepath.Join(dir, name); usable(p) == nil {
			return p, true
		}
	}
	for _, p := range l.cache[name] {
		if usable(p) == nil {
			return p, true
		}
	}
	for _, dir := range l.extra {
		if p := filepath.Join(dir, name); usable(p) == nil {
			return p, false
		}
	}
	return "", false
}

var errMachine = errors.New("not for x86-64")

// usable says whether the file is a library for this machine.
func usable(path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	if f.Machine != elf.EM_X86_64 {
		return errMachine
	}
	return nil
}
