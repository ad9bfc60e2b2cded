package model_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/model"
)

// gpt2Config is what a config.json of the published gpt2 holds, abridged by nothing that changes inference.
const gpt2Config = `{"activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "attn_pdrop": 0.1,
"bos_token_id": 50256, "embd_pdrop": 0.1, "eos_token_id": 50256, "initializer_range": 0.02, "layer_norm_epsilon": 1e-05,
"model_type": "gpt2", "n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 12, "n_positions": 1024, "resid_pdrop": 0.1,
"summary_activation": null, "summary_first_dropout": 0.1, "summary_proj_to_labels": true, "summary_type": "cls_index",
"summary_use_proj": true, "task_specific_params": {"text-generation": {"do_sample": true, "max_length": 50}},
"vocab_size": 50257}`

func TestParseConfigOfTheOriginal(t *testing.T) {
	got, err := model.ParseConfig([]byte(gpt2Config))
	if err != nil {
		t.Fatal(err)
	}
	if want, _ := model.Preset(model.PresetGPT2); !reflect.DeepEqual(got, want) {
		t.Errorf("saw %+v, want the preset %+v", got, want)
	}
}

func TestParseConfigRefuses(t *testing.T) {
	for want, change := range map[string][2]string{
		`field model_type: saw "llama"`:               {`"model_type": "gpt2"`, `"model_type": "llama"`},
		`field model_type: saw ""`:                    {`"model_type": "gpt2",`, ``},
		`field n_layer: saw 0`:                        {`"n_layer": 12,`, ``},
		`field n_layer: saw -3`:                       {`"n_layer": 12`, `"n_layer": -3`},
		`field n_embd: saw 99999999`:                  {`"n_embd": 768`, `"n_embd": 99999999`},
		`field n_head: saw 7, want a divisor`:         {`"n_head": 12`, `"n_head": 7`},
		`field n_inner: saw -1`:                       {`"n_ctx": 1024`, `"n_inner": -1`},
		`field vocab_size: saw 0`:                     {`"vocab_size": 50257`, `"vocab_size": 0`},
		`field eos_token_id: saw 50257, want an id`:   {`"eos_token_id": 50256`, `"eos_token_id": 50257`},
		`field bos_token_id: saw -1`:                  {`"bos_token_id": 50256`, `"bos_token_id": -1`},
		`field activation_function: saw "relu"`:       {`"gelu_new"`, `"relu"`},
		`field layer_norm_epsilon: saw 0`:             {`1e-05`, `0`},
		`field initializer_range: saw -1`:             {`"initializer_range": 0.02`, `"initializer_range": -1`},
		`field tie_word_embeddings: saw false`:        {`"n_ctx": 1024`, `"tie_word_embeddings": false`},
		`field scale_attn_weights: saw false`:         {`"n_ctx": 1024`, `"scale_attn_weights": false`},
		`field scale_attn_by_inverse_layer_idx: saw `: {`"n_ctx": 1024`, `"scale_attn_by_inverse_layer_idx": true`},
		`not a model configuration: json`:             {`"n_layer": 12`, `"n_layer": "12"`},
		`not a model configuration: unexpected end`:   {gpt2Config[100:], ``},
	} {
		text := strings.Replace(gpt2Config, change[0], change[1], 1)
		if c, err := model.ParseConfig([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("saw %+v, error %v, want %q", c, err, want)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(gpt2Config))
	f.Add([]byte(`{"model_type":"gpt2","n_layer":1,"n_head":1,"n_embd":1,"n_inner":2,"vocab_size":9,"n_positions":4,"bos_token_id":0,"eos_token_id":8}`))
	f.Add([]byte(`{"model_type":"gpt2","n_layer":4096,"n_head":1,"n_embd":1048576,"vocab_size":16777216,"n_positions":16777216}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := model.ParseConfig(data)
		if err != nil {
			return
		}
		if c.Parameters() <= 0 || c.HeadDim()*c.NHead != c.NEmbd || c.EOSTokenID >= int64(c.VocabSize) {
			t.Fatalf("accepted %+v", c)
		}
		again, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := model.ParseConfig(again); err != nil || !reflect.DeepEqual(back, c) {
			t.Fatalf("saw %+v, %v after a round trip of %+v", back, err, c)
		}
	})
}
