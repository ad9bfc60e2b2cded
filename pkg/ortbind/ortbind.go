// Package ortbind is the part of ONNX Runtime's C API that onnxruntime_go does not offer: tensors in a device's memory, so
// that inputs, outputs and the cache of keys and values stay there between passes, and which execution provider took which
// node. It knows nothing of models; package backend does. The headers in include/ are onnxruntime_go's own, so that both
// speak the same version of the API; a test compares them.
package ortbind

/*
#cgo LDFLAGS: -ldl
#include "shim.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"unsafe"
)

// failure turns a message of the shim into an error and frees it.
func failure(message *C.char) error {
	if message == nil {
		return nil
	}
	defer C.free(unsafe.Pointer(message))
	return errors.New(C.GoString(message))
}

// Library is ONNX Runtime, loaded and with its environment made; it stays until the process ends.
type Library struct {
	Version string
	api     *C.OrtApi
	env     *C.OrtEnv
}

var (
	loadedMu sync.Mutex
	loaded   = map[string]*Library{}
)

// Load loads the library at path, once per process.
func Load(path string) (*Library, error) {
	loadedMu.Lock()
	defer loadedMu.Unlock()
	if l := loaded[path]; l != nil {
		return l, nil
	}
	file := C.CString(path)
	defer C.free(unsafe.Pointer(file))
	l := &Library{}
	var version *C.char
	if err := failure(C.bh_load(file, &l.api, &l.env, &version)); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	l.Version = C.GoString(version)
	loaded[path] = l
	return l, nil
}

// Preload loads a shared library so that those loaded later which need one of its name find it, wherever it lies: the
// loader searches only its own folders, and reads LD_LIBRARY_PATH before the first line of a program runs.
func Preload(path string) error {
	file := C.CString(path)
	defer C.free(unsafe.Pointer(file))
	return failure(C.bh_preload(file))
}

// Level is how far ONNX Runtime optimises a graph; the numbers are the C API's.
type Level int

// The levels.
const (
	Disable  Level = 0
	Basic    Level = 1
	Extended Level = 2
	All      Level = 99
)

// The execution providers that Options can name; the CPU's needs no name, as it takes what the others leave.
const (
	CUDA     = "CUDAExecutionProvider"
	TensorRT = "TensorrtExecutionProvider"
	CPU      = "CPUExecutionProvider"
)

// Provider is an execution provider with its options, as ONNX Runtime documents them.
type Provider struct {
	Name    string
	Options map[string]string
}

// Options is how a session is made.
type Options struct {
	Threads   int // intra-op
	Level     Level
	Providers []Provider // in the order in which they are offered nodes
}

// ProviderError says that an execution provider could not be had, as opposed to a graph that could not be loaded.
type ProviderError struct {
	Provider string
	Err      error
}

func (e *ProviderError) Error() string { return e.Provider + ": " + e.Err.Error() }

// Unwrap gives ONNX Runtime's own words.
func (e *ProviderError) Unwrap() error { return e.Err }

// The entries of a session's configuration.
const (
	// recordAssignment makes a session remember which provider took which node; without it Assignment fails.
	recordAssignment = "session.record_ep_graph_assignment_info"
	// weightsFolder is where the external weights of a graph from memory are. Providers that read the weights themselves
	// are told the same folder, as that of the graph's file.
	weightsFolder = "session.model_external_initializers_file_folder_path"
)

// options makes the session options; the caller frees them, also after an error where they are not nil.
func (l *Library) options(folder string, o Options) (*C.OrtSessionOptions, error) {
	var opts *C.OrtSessionOptions
	if err := failure(C.bh_options(l.api, C.int(o.Threads), C.int(o.Level), &opts)); err != nil {
		return opts, err
	}
	for key, value := range map[string]string{recordAssignment: "1", weightsFolder: folder} {
		if err := l.configure(opts, key, value); err != nil {
			return opts, err
		}
	}
	for _, p := range o.Providers {
		if err := l.appendProvider(opts, p); err != nil {
			return opts, &ProviderError{p.Name, err}
		}
	}
	return opts, nil
}

func (l *Library) configure(opts *C.OrtSessionOptions, key, value string) error {
	k, v := C.CString(key), C.CString(value)
	defer C.free(unsafe.Pointer(k))
	defer C.free(unsafe.Pointer(v))
	return failure(C.bh_options_config(l.api, opts, k, v))
}

func (l *Library) appendProvider(opts *C.OrtSessionOptions, p Provider) error {
	var keys, values cStrings
	defer keys.free()
	defer values.free()
	for _, k := range slices.Sorted(maps.Keys(p.Options)) {
		keys.add(k)
		values.add(p.Options[k])
	}
	n := C.size_t(len(p.Options))
	switch p.Name {
	case CUDA:
		return failure(C.bh_options_cuda(l.api, opts, keys.pointer(), values.pointer(), n))
	case TensorRT:
		return failure(C.bh_options_tensorrt(l.api, opts, keys.pointer(), values.pointer(), n))
	}
	return fmt.Errorf("saw provider %q, want %s or %s", p.Name, CUDA, TensorRT)
}

// cStrings is a list of strings as C has them.
type cStrings []*C.char

func (s *cStrings) add(text string) { *s = append(*s, C.CString(text)) }

func (s cStrings) pointer() **C.char { return unsafe.SliceData(s) }

func (s cStrings) free() {
	for _, p := range s {
		C.free(unsafe.Pointer(p))
	}
}
