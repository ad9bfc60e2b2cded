// Package model makes and checks model folders: one set of weights, laid out as Hugging Face lays out GPT-2
// (config.json, model.safetensors), with two ONNX graphs whose initializers point into that same safetensors file, so
// that a difference between backends is never a difference between models.
//
//	config.json        architecture, Hugging Face's field names
//	model.safetensors  weights, float32, the only copy
//	model.onnx         input_ids, attention_mask -> logits
//	model_kv.onnx      the same with past and present keys and values
//	bh_model.json      name, seed or source, size and SHA-256 of each file above
//
// Build writes a folder of seeded random weights, Import one of real weights, and Open checks one before it is used.
// The package runs no model: that is package backend's.
package model
