package model

import "fmt"

// The files of a model folder.
const (
	ConfigFile  = "config.json"
	WeightsFile = "model.safetensors"
	ONNXFile    = "model.onnx"
	ONNXKVFile  = "model_kv.onnx"
	GGUFFile    = "model.gguf"
	MetaFile    = "bh_model.json"
)

// The inputs and outputs of both graphs. B is the batch size, S the number of new tokens, P the number of cached ones
// (0 in model.onnx), H the number of heads and D the width of a head.
const (
	InputIDs      = "input_ids"      // int64 [B, S]
	AttentionMask = "attention_mask" // int64 [B, P+S]; 1 is a real token, 0 padding, which stands on the left
	Logits        = "logits"         // float32 [B, S, vocabulary]
)

// PastKey is the input of model_kv.onnx for the cached keys of a layer, float32 [B, H, P, D]; P may be 0.
func PastKey(layer int) string { return fmt.Sprintf("past_key_values.%d.key", layer) }

// PastValue is the input of model_kv.onnx for the cached values of a layer, float32 [B, H, P, D].
func PastValue(layer int) string { return fmt.Sprintf("past_key_values.%d.value", layer) }

// PresentKey is the output of model_kv.onnx for the keys of a layer, float32 [B, H, P+S, D]: the next call's PastKey.
func PresentKey(layer int) string { return fmt.Sprintf("present.%d.key", layer) }

// PresentValue is the output of model_kv.onnx for the values of a layer, float32 [B, H, P+S, D].
func PresentValue(layer int) string { return fmt.Sprintf("present.%d.value", layer) }
