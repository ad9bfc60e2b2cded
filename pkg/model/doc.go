// Package model makes and checks model folders: one set of weights, laid out as Hugging Face lays out GPT-2
// (config.json, model.safetensors), with two ONNX graphs whose initializers point into that same safetensors file, so
// that a difference between backends is never a difference between models.
//
//	config.json        architecture, Hugging Face's field names
//	model.safetensors  weights, float32
//	model.onnx         input_ids, attention_mask -> logits
//	model_kv.onnx      the same with past and present keys and values
//	model.gguf         the same weights once more, as llama.cpp lays them out, with GPT-2's tokeniser
//	bh_model.json      name, seed or source, size and SHA-256 of each file above
//
// model.gguf is made where the vocabulary is GPT-2's, as its tokeniser is the only one known here. llama.cpp can neither
// read another file's weights nor multiply by GPT-2's as they are stored, so this is a copy, written from model.safetensors
// and naming its SHA-256.
//
// Build writes a folder of seeded random weights, Import one of real weights, and Open checks one before it is used.
// The package runs no model: that is package backend's.
package model
