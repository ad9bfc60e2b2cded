package backend

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/banterhearts/bh/pkg/ortbind"
)

// openFailure says why a session could not be made, in ONNX Runtime's words.
func openFailure(model string, err error) error {
	text := words(err)
	var refused *ortbind.ProviderError
	switch {
	case oldDriver.MatchString(text):
		return &Unavailable{Reason: GPUNotFound, Detail: text, Remedy: installDriver}
	case noDevice.MatchString(text):
		return &Unavailable{Reason: GPUNotFound, Detail: text}
	case outOfMemory.MatchString(text):
		return &RunError{Reason: OutOfMemory, Detail: text}
	case errors.As(err, &refused):
		return &Unavailable{Reason: ProviderNotTaken, Detail: refused.Provider + ": " + text}
	}
	return &Unavailable{Reason: ModelFailed, Detail: filepath.Base(model) + ": " + text}
}

// runFailure says why a pass broke.
func runFailure(err error) error {
	text := words(err)
	if outOfMemory.MatchString(text) {
		return &RunError{Reason: OutOfMemory, Detail: text}
	}
	return &RunError{Reason: RunFailed, Detail: text}
}

var installDriver = fmt.Sprintf("install the NVIDIA driver %d or newer", minDriver)

// What the CUDA runtime and ONNX Runtime's allocator say. 35: the driver is too old for CUDA, or there is none; 803: the
// driver's library and its kernel module differ; 100 and 101: there is no device, or not that one.
var (
	oldDriver   = regexp.MustCompile(`CUDA failure (35|803):`)
	noDevice    = regexp.MustCompile(`CUDA failure (100|101):`)
	outOfMemory = regexp.MustCompile(`out of memory|Failed to allocate memory|bad allocation`)
)

// What stands around the words: functions of ONNX Runtime's source, and after NVIDIA's own the host's name, which has no
// place in a record.
var (
	ofCUDA   = regexp.MustCompile(`(?:CUDA|CUBLAS|CUDNN|CURAND) failure \d+: [^;]*[^; ]`)
	preamble = regexp.MustCompile(`^.*\[ONNXRuntimeError\] : \d+ : \w+ : `)
)

// words is what an error says, without its surroundings.
func words(err error) string {
	line, _, _ := strings.Cut(strings.TrimSpace(err.Error()), "\n")
	if cuda := ofCUDA.FindString(line); cuda != "" {
		return cuda
	}
	return preamble.ReplaceAllString(line, "")
}
