package backend

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"github.com/banterhearts/bh/pkg/atomicfile"
	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/ortbind"
	"github.com/banterhearts/bh/pkg/ortlib"
	"github.com/banterhearts/bh/pkg/record"
)

// The settings of tensorrt.
const (
	builderLevel = "builder_optimization_level"
	// calibrationTable is the path of a table with the range of each tensor, as ONNX Runtime's quantisation tools write it.
	calibrationTable = "calibration_table"
)

func init() {
	needs := needsOf(func(lib ortlib.Library) []string { return []string{lib.CUDA(), lib.TensorRT()} },
		"libnvrtc.so.13", "libnvinfer_plugin.so.10", "libnvinfer_builder_resource*.so*")
	Register(&Backend{
		Name:    "tensorrt",
		Device:  record.GPU,
		Summary: "ONNX Runtime " + ortlib.Version + ", TensorRT execution provider",
		Capabilities: Capabilities{
			Modes:      record.Modes(),
			Precisions: []string{"fp32", "fp16", "int8"},
			Settings:   map[string][]string{builderLevel: {"3", "0", "1", "2", "4", "5"}, calibrationTable: nil},
		},
		Check:   func() error { _, err := needs.look(); return err },
		Install: gpuInstall,
		Probe:   needs.probe,
		Open: func(_ context.Context, spec Spec) (Engine, error) {
			if err := checkCalibration(spec); err != nil {
				return nil, err
			}
			found, err := needs.look()
			if err != nil {
				return nil, err
			}
			folder, err := openFolder(spec.ModelDir)
			if err != nil {
				return nil, err
			}
			return openOnGPU(spec, found, tensorRTTarget(spec, folder))
		},
	})
}

// checkCalibration refuses int8 without ranges. TensorRT would otherwise quantise activations with ranges that nobody
// measured, or quietly leave layers in fp32: either way the figure would not be int8's.
func checkCalibration(spec Spec) error {
	path := spec.Settings[calibrationTable]
	switch {
	case spec.Precision != "int8" && path != "":
		return &Unavailable{Reason: SettingUnsupported,
			Detail: fmt.Sprintf("tensorrt: setting %s goes with precision int8, saw %s", calibrationTable, spec.Precision)}
	case spec.Precision != "int8":
		return nil
	case path == "":
		return &Unavailable{Reason: PrecisionUnsupported,
			Detail: "tensorrt: int8 needs the range of every tensor: saw no setting " + calibrationTable,
			Remedy: "calibrate the model and name the table; docs/gpu/README.md says how"}
	}
	if _, err := os.Stat(path); err != nil {
		return &Unavailable{Reason: PrecisionUnsupported, Detail: fmt.Sprintf("tensorrt: int8: setting %s: %v", calibrationTable, err)}
	}
	return nil
}

func tensorRTTarget(spec Spec, folder *model.Folder) target {
	return target{
		provider: ortbind.TensorRT, precision: spec.Precision, memory: ortbind.DeviceMemory, ranged: true,
		options: func(key sessionKey) ([]ortbind.Provider, error) {
			options, err := tensorRTOptions(spec, folder, key)
			if err != nil {
				return nil, err
			}
			// What TensorRT does not take goes to CUDA, and is counted.
			return []ortbind.Provider{{Name: ortbind.TensorRT, Options: options}, {Name: ortbind.CUDA, Options: cudaOptions}}, nil
		},
	}
}

// tensorRTOptions are the TensorRT provider's. Engines are kept in the user's cache, in a folder for each model, precision
// and range of shapes, as the provider's own file names tell neither weights nor shapes apart.
func tensorRTOptions(spec Spec, folder *model.Folder, key sessionKey) (map[string]string, error) {
	options := map[string]string{"device_id": "0", "trt_engine_cache_enable": "1", "trt_timing_cache_enable": "1"}
	if level := spec.Settings[builderLevel]; level != "" {
		options["trt_builder_optimization_level"] = level
	}
	if key.batch > 0 { // without shapes, nothing is built yet
		middle := key.minSeq + (key.maxSeq-key.minSeq)/2
		pastMiddle := key.minPast + (key.maxPast-key.minPast)/2
		options["trt_profile_min_shapes"] = key.profile(folder.Config, key.minSeq, key.minPast)
		options["trt_profile_opt_shapes"] = key.profile(folder.Config, middle, pastMiddle)
		options["trt_profile_max_shapes"] = key.profile(folder.Config, key.maxSeq, key.maxPast)
	}
	var table []byte
	switch spec.Precision {
	case "fp16":
		maps.Copy(options, map[string]string{"trt_fp16_enable": "1", "trt_layer_norm_fp32_fallback": "1"})
	case "int8":
		var err error
		if table, err = os.ReadFile(spec.Settings[calibrationTable]); err != nil {
			return nil, fmt.Errorf("calibration table: %w", err)
		}
		maps.Copy(options, map[string]string{"trt_int8_enable": "1", "trt_int8_calibration_table_name": tableFile})
	}
	dir, err := engineFolder(folder, key.cache, options, table)
	if err != nil {
		return nil, err
	}
	options["trt_engine_cache_path"], options["trt_timing_cache_path"] = dir, filepath.Dir(dir)
	return options, nil
}

// tableFile is the calibration table's name beside the engines, where the provider looks for it.
const tableFile = "calibration"

// engineFolder is the folder of the engines that these options lead to for this model.
func engineFolder(folder *model.Folder, cache model.Cache, options map[string]string, table []byte) (string, error) {
	key := sha256.Sum256(fmt.Appendf(nil, "%s\n%d\n%v\n%x", ortlib.Version, cache, options, table)) // fmt sorts a map's keys
	dir, err := cacheFolder("tensorrt", folder.WeightsSHA256[:16], fmt.Sprintf("%x", key[:8]))
	if err != nil || table == nil {
		return dir, err
	}
	return dir, atomicfile.Write(filepath.Join(dir, tableFile), table)
}
