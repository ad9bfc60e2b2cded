package manifest

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/units"
)

// Environment is the machine and the software that measured. What the system does not tell is empty or null.
type Environment struct {
	Host           string            `json:"host"` // a pseudonym, or the name the user gave
	OS             string            `json:"os"`
	Arch           string            `json:"arch"`
	Distribution   string            `json:"distribution"`
	Kernel         string            `json:"kernel"`
	CPUModel       string            `json:"cpu_model"`
	CPUFlags       []string          `json:"cpu_flags"`      // the vector and matrix extensions among them
	LogicalCPUs    int               `json:"logical_cpus"`   // that this process may use
	PhysicalCores  int               `json:"physical_cores"` // among them
	Governor       string            `json:"cpu_governor"`
	Virtualisation string            `json:"virtualisation"`
	MemoryBytes    *units.Bytes      `json:"memory_bytes"`
	GPUs           []string          `json:"gpus"`
	GPUDriver      string            `json:"gpu_driver"`
	Go             string            `json:"go"`
	Tool           string            `json:"tool"`
	GitRevision    string            `json:"git_revision"`
	Libraries      map[string]string `json:"libraries"` // module versions of this build
}

// Capture reads the environment below root, which is "/" but in tests. host replaces the pseudonym where it is not empty.
func Capture(root, host string) *Environment {
	r := reader{root: root}
	e := &Environment{
		Host:           host,
		OS:             runtime.GOOS,
		Arch:           runtime.GOARCH,
		Distribution:   r.keyed("etc/os-release", "PRETTY_NAME"),
		Kernel:         r.line("proc/sys/kernel/osrelease"),
		CPUModel:       r.cpuField("model name"),
		CPUFlags:       notableFlags(r.cpuField("flags")),
		LogicalCPUs:    runtime.NumCPU(),
		PhysicalCores:  PhysicalCores(root),
		Governor:       r.line("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
		Virtualisation: r.virtualisation(),
		MemoryBytes:    r.memory(),
		GPUs:           r.gpus(),
		GPUDriver:      r.gpuDriver(),
		Go:             runtime.Version(),
		Tool:           cli.Version(),
		GitRevision:    cli.Revision(),
		Libraries:      libraries(),
	}
	if e.Host == "" {
		e.Host = Pseudonym(root)
	}
	return e
}

// reader reads small system files below a root; a file that is not there gives an empty text, as it does on every system
// that lacks it.
type reader struct{ root string }

func (r reader) text(name string) string {
	data, err := os.ReadFile(filepath.Join(r.root, name))
	if err != nil {
		return ""
	}
	return string(data)
}

func (r reader) line(name string) string { return strings.TrimSpace(r.text(name)) }

// keyed is the value of key in a file of KEY="value" lines.
func (r reader) keyed(name, key string) string {
	for line := range strings.Lines(r.text(name)) {
		if v, ok := strings.CutPrefix(line, key+"="); ok {
			return strings.Trim(strings.TrimSpace(v), `"`)
		}
	}
	return ""
}

// cpuField is a field of the first processor in /proc/cpuinfo.
func (r reader) cpuField(key string) string {
	s := bufio.NewScanner(strings.NewReader(r.text("proc/cpuinfo")))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		k, v, ok := strings.Cut(s.Text(), ":")
		if ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// notableFlags keeps the processor flags that decide how fast matrices are multiplied.
func notableFlags(flags string) []string {
	keep := []string{}
	for _, f := range strings.Fields(flags) {
		if strings.HasPrefix(f, "avx") || strings.HasPrefix(f, "amx") || f == "fma" || f == "sse4_2" {
			keep = append(keep, f)
		}
	}
	return keep
}

// memory is MemTotal.
func (r reader) memory() *units.Bytes {
	_, rest, ok := strings.Cut(r.text("proc/meminfo"), "MemTotal:")
	if !ok {
		return nil
	}
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return nil
	}
	kib, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return nil
	}
	return units.Ptr(units.Bytes(kib << 10))
}

// virtualisation says what the firmware and the processor give away: a container, a hypervisor's product, or nothing.
func (r reader) virtualisation() string {
	var parts []string
	if r.exists(".dockerenv") || r.exists("run/.containerenv") {
		parts = append(parts, "container")
	}
	if slices.Contains(strings.Fields(r.cpuField("flags")), "hypervisor") {
		vm := "virtual machine"
		if p := strings.TrimSpace(r.line("sys/class/dmi/id/sys_vendor") + " " + r.line("sys/class/dmi/id/product_name")); p != "" {
			vm += " (" + p + ")"
		}
		parts = append(parts, vm)
	}
	return strings.Join(parts, " in ")
}

func (r reader) exists(name string) bool {
	_, err := os.Stat(filepath.Join(r.root, name))
	return err == nil
}

// gpus lists the models that NVIDIA's kernel driver knows.
func (r reader) gpus() []string {
	out := []string{}
	files, err := filepath.Glob(filepath.Join(r.root, "proc/driver/nvidia/gpus/*/information"))
	if err != nil {
		return out // the root is no pattern
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			continue // gone since: not a GPU that could have measured
		}
		if _, rest, ok := bytes.Cut(data, []byte("Model:")); ok {
			model, _, _ := bytes.Cut(rest, []byte("\n"))
			out = append(out, string(bytes.TrimSpace(model)))
		}
	}
	return out
}

func (r reader) gpuDriver() string {
	first, _, _ := strings.Cut(r.text("proc/driver/nvidia/version"), "\n")
	return strings.TrimSpace(strings.TrimPrefix(first, "NVRM version:"))
}

// Pseudonym names the machine below root without telling its name: the same machine gives the same pseudonym.
func Pseudonym(root string) string {
	r := reader{root: root}
	id := r.line("etc/machine-id")
	if id == "" {
		id = r.line("var/lib/dbus/machine-id")
	}
	if id == "" {
		name, err := os.Hostname()
		if err != nil {
			return "host"
		}
		id = name
	}
	sum := sha256.Sum256([]byte("bh host " + id))
	return "host-" + hex.EncodeToString(sum[:4])
}

// PhysicalCores counts the cores among the logical CPUs of the machine by their lists of hyper-thread siblings, and falls
// back to the logical CPUs that this process may use, which also bound the answer.
func PhysicalCores(root string) int {
	files, err := filepath.Glob(filepath.Join(root, "sys/devices/system/cpu/cpu[0-9]*/topology/thread_siblings_list"))
	if err != nil || len(files) == 0 {
		return runtime.NumCPU()
	}
	cores := map[string]bool{}
	for _, f := range files {
		cores[reader{}.line(f)] = true
	}
	return min(len(cores), runtime.NumCPU())
}

// libraries lists the modules whose version can change a measurement or an analysis.
func libraries() map[string]string {
	out := map[string]string{}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return out
	}
	for _, d := range info.Deps {
		for _, want := range []string{"onnxruntime_go", "arrow/go", "gonum.org/v1/gonum", "go-nvml", "montanaflynn/stats"} {
			if strings.Contains(d.Path, want) {
				out[d.Path] = d.Version
			}
		}
	}
	return out
}
