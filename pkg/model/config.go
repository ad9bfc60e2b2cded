package model

import (
	"encoding/json"
	"fmt"
	"math"
	"os"

	"github.com/banterhearts/bh/pkg/cli"
)

// Config is the architecture of a GPT-2 model, with the field names of Hugging Face's GPT2Config. Fields that it does not
// name change nothing in inference and are dropped on import.
type Config struct {
	ModelType         string   `json:"model_type"`
	Architectures     []string `json:"architectures"`
	NLayer            int      `json:"n_layer"`
	NHead             int      `json:"n_head"`
	NEmbd             int      `json:"n_embd"`
	NInner            *int     `json:"n_inner"` // width of the feed-forward layer; null is 4*n_embd
	VocabSize         int      `json:"vocab_size"`
	NPositions        int      `json:"n_positions"`
	LayerNormEpsilon  float64  `json:"layer_norm_epsilon"`
	Activation        string   `json:"activation_function"`
	InitializerRange  float64  `json:"initializer_range"`
	BOSTokenID        int64    `json:"bos_token_id"`
	EOSTokenID        int64    `json:"eos_token_id"`
	TieWordEmbeddings bool     `json:"tie_word_embeddings"`
	ScaleAttn         bool     `json:"scale_attn_weights"`
	ScaleAttnByLayer  bool     `json:"scale_attn_by_inverse_layer_idx"`
	TorchDType        string   `json:"torch_dtype"`
}

// HeadDim is the width of one attention head.
func (c Config) HeadDim() int { return c.NEmbd / c.NHead }

// Inner is the width of the feed-forward layer.
func (c Config) Inner() int {
	if c.NInner != nil {
		return *c.NInner
	}
	return 4 * c.NEmbd
}

// Parameters is the number of weights, the tied output projection counted once.
func (c Config) Parameters() int64 {
	e, inner := int64(c.NEmbd), int64(c.Inner())
	attention := e*3*e + 3*e + e*e + e
	feedForward := e*inner + inner + inner*e + e
	block := attention + feedForward + 4*e // and two layer norms
	return (int64(c.VocabSize)+int64(c.NPositions))*e + int64(c.NLayer)*block + 2*e
}

// defaultConfig holds GPT2Config's defaults for the fields that real config.json files leave out.
func defaultConfig() Config {
	return Config{
		ModelType: "", Architectures: []string{"GPT2LMHeadModel"},
		LayerNormEpsilon: 1e-5, Activation: "gelu_new", InitializerRange: 0.02,
		BOSTokenID: 50256, EOSTokenID: 50256, TieWordEmbeddings: true, ScaleAttn: true, TorchDType: "float32",
	}
}

// ParseConfig reads a config.json and checks it. Fields that GPT2Config has a default for may be missing; model_type and
// the five sizes may not.
func ParseConfig(data []byte) (Config, error) {
	c := defaultConfig()
	if err := json.Unmarshal(data, &c); err != nil {
		return Config{}, fmt.Errorf("not a model configuration: %w", err)
	}
	return c, c.Validate()
}

func readConfig(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, cli.BadInput(err)
	}
	c, err := ParseConfig(data)
	if err != nil {
		return Config{}, cli.BadInputf("%s: %w", path, err)
	}
	return c, nil
}

// Bounds on a configuration: far above any GPT-2, low enough that no size computed from them overflows an int64.
const (
	maxLayers = 1 << 12
	maxWidth  = 1 << 20
	maxVocab  = 1 << 24
)

// Validate reports the first field that this package cannot honour; a field that changes the arithmetic of the model is
// refused rather than ignored.
func (c Config) Validate() error {
	if c.ModelType != "gpt2" {
		return fieldError("model_type", fmt.Sprintf("%q", c.ModelType), `"gpt2"`)
	}
	if err := c.validateSizes(); err != nil {
		return err
	}
	switch c.Activation {
	case "gelu_new", "gelu_pytorch_tanh": // two names of GELU's tanh approximation
	default:
		return fieldError("activation_function", fmt.Sprintf("%q", c.Activation), `"gelu_new" or "gelu_pytorch_tanh"`)
	}
	switch {
	case !(c.LayerNormEpsilon > 0 && c.LayerNormEpsilon < 1):
		return fieldError("layer_norm_epsilon", c.LayerNormEpsilon, "a number between 0 and 1")
	case !(c.InitializerRange > 0) || math.IsInf(c.InitializerRange, 0):
		return fieldError("initializer_range", c.InitializerRange, "a number above 0")
	case !c.TieWordEmbeddings:
		return fieldError("tie_word_embeddings", c.TieWordEmbeddings, "true: an untied output projection is not supported")
	case !c.ScaleAttn:
		return fieldError("scale_attn_weights", c.ScaleAttn, "true")
	case c.ScaleAttnByLayer:
		return fieldError("scale_attn_by_inverse_layer_idx", c.ScaleAttnByLayer, "false")
	}
	return nil
}

func (c Config) validateSizes() error {
	for _, s := range []struct {
		field    string
		value, m int
	}{
		{"n_layer", c.NLayer, maxLayers},
		{"n_embd", c.NEmbd, maxWidth},
		{"n_head", c.NHead, maxWidth},
		{"n_inner", c.Inner(), 4 * maxWidth},
		{"vocab_size", c.VocabSize, maxVocab},
		{"n_positions", c.NPositions, maxVocab},
	} {
		if s.value < 1 || s.value > s.m {
			return fieldError(s.field, s.value, fmt.Sprintf("1 to %d", s.m))
		}
	}
	switch {
	case c.NEmbd%c.NHead != 0:
		return fieldError("n_head", c.NHead, fmt.Sprintf("a divisor of n_embd (%d)", c.NEmbd))
	case c.BOSTokenID < 0 || c.BOSTokenID >= int64(c.VocabSize):
		return fieldError("bos_token_id", c.BOSTokenID, fmt.Sprintf("an id inside the vocabulary of %d", c.VocabSize))
	case c.EOSTokenID < 0 || c.EOSTokenID >= int64(c.VocabSize):
		return fieldError("eos_token_id", c.EOSTokenID, fmt.Sprintf("an id inside the vocabulary of %d", c.VocabSize))
	}
	return nil
}

func fieldError(field string, saw any, want string) error {
	return fmt.Errorf("field %s: saw %v, want %s", field, saw, want)
}
