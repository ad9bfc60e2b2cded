package backend

import (
	"github.com/banterhearts/bh/pkg/record"
)

// Reason says in one word why a run has no measurements; docs/reasons.md lists them for readers of the records.
type Reason string

// Why nothing ran: status degraded.
const (
	LibraryNotFound      Reason = "library_not_found"
	LibraryFailed        Reason = "library_failed"
	ModelNotFound        Reason = "model_not_found"
	ModelFailed          Reason = "model_failed"
	ModeUnsupported      Reason = "mode_unsupported"
	PrecisionUnsupported Reason = "precision_unsupported"
	SettingUnsupported   Reason = "setting_unsupported"
	PromptUnsupported    Reason = "prompt_unsupported"
	PythonNotFound       Reason = "python_not_found"
	FolderNotFound       Reason = "folder_not_found"
	GPUNotFound          Reason = "gpu_not_found"
	ProviderNotTaken     Reason = "provider_not_taken"
	ServerNotFound       Reason = "server_not_found"
	ServerRefused        Reason = "server_refused"
	ServerModelNotFound  Reason = "server_model_not_found"
	KeyInvalid           Reason = "key_invalid"
)

// Why a run broke: status error.
const (
	RunFailed     Reason = "run_failed"
	OutputInvalid Reason = "output_invalid"
	WorkerCrashed Reason = "worker_crashed"
	WorkerTimeout Reason = "worker_timeout"
	WorkerGaveUp  Reason = "worker_gave_up"
	OutOfMemory   Reason = "out_of_memory"
	ServerLost    Reason = "server_lost"
	AnswerCut     Reason = "answer_cut"
	AnswerTooLong Reason = "answer_too_long"
)

// Reasons describes every reason, for the documentation and the test that keeps it true.
func Reasons() map[Reason]string {
	return map[Reason]string{
		LibraryNotFound:      "A shared library that the backend needs is not on this machine.",
		LibraryFailed:        "The library is there but could not be loaded or initialised.",
		ModelNotFound:        "The model folder is missing or not complete.",
		ModelFailed:          "The backend could not load the model.",
		ModeUnsupported:      "The backend cannot do this mode by its nature.",
		PrecisionUnsupported: "The backend does not offer this precision.",
		SettingUnsupported:   "The backend does not know this setting or value.",
		PromptUnsupported:    "The backend takes text, and no text stands for the prompt's token ids; or the server counts its tokens otherwise.",
		PythonNotFound:       "There is no Python with the packages that the backend needs.",
		FolderNotFound:       "A folder that the backend writes to, the user's cache or that for temporary files, is not there or takes no files.",
		GPUNotFound:          "There is no GPU that the backend could use, or no driver for it.",
		ProviderNotTaken:     "ONNX Runtime did not take the execution provider that the backend stands for.",
		ServerNotFound:       "No server answers where the backend looks for one.",
		ServerRefused:        "The server answered with an error, such as a key that it does not accept.",
		ServerModelNotFound:  "The server does not have the model and cannot be given it.",
		KeyInvalid:           "The key for the server cannot be sent, as one that holds a line break.",
		RunFailed:            "The backend reported an error while running.",
		OutputInvalid:        "The backend gave logits that are not numbers.",
		WorkerCrashed:        "The worker process ended in the middle of a run (crash, kill, out of memory).",
		WorkerTimeout:        "The run took longer than the time limit and its worker was killed.",
		WorkerGaveUp:         "The worker of this backend crashed or hung several times in a row, so the rest was not tried.",
		OutOfMemory:          "The worker could not get memory, or the system killed it for lack of it.",
		ServerLost:           "The server stopped answering in the middle of a run.",
		AnswerCut:            "The server ended an answer before its end of sequence or limit, as Ollama does at some 30 equal pieces of text in a row.",
		AnswerTooLong:        "The server gave more new tokens than it was asked for, by its own count or by its pieces of text.",
	}
}

// Flag is a doubt about a run that was measured, in one word.
type Flag string

// The flags.
const (
	PromptCached     Flag = "prompt_cached"
	Recompiled       Flag = "recompiled"
	MergedTokens     Flag = "merged_tokens"
	PromptTemplated  Flag = "prompt_templated"
	ProviderFallback Flag = "provider_fallback"
	ForeignLoad      Flag = record.FlagForeignLoad
	CPUSteal         Flag = record.FlagCPUSteal
	ForeignGPU       Flag = "foreign_gpu"
	NotCooledDown    Flag = "not_cooled_down"
	WorkElsewhere    Flag = record.FlagWorkElsewhere
)

// Flags describes every flag, for the documentation and the test that keeps it true.
func Flags() map[Flag]string {
	return map[Flag]string{
		PromptCached:     "The server took prompt tokens from a cache, so prefill did less than its work.",
		Recompiled:       "The compiler compiled inside the measured window.",
		MergedTokens:     "The server sent several tokens in one piece, so there are fewer gaps between tokens than tokens.",
		PromptTemplated:  "The server's chat template added tokens to the prompt, so the server read more tokens than the record counts.",
		ProviderFallback: "Part of the graph ran on the CPU instead of the execution provider.",
		ForeignLoad:      "Other processes used more than 5% of the CPUs' time in the window.",
		CPUSteal:         "Other virtual machines took more than 1% of the CPUs' time in the window.",
		ForeignGPU:       "Other processes computed on the GPU in the window.",
		WorkElsewhere:    "A server did the work whose processes are not known, perhaps on another machine, so its power, memory and CPUs are null.",
		NotCooledDown:    "The machine had not cooled down to where it began when the time for that was over.",
	}
}

// Unavailable says that a backend cannot work here: it becomes a degraded run.
type Unavailable struct {
	Reason Reason
	Detail string
	Remedy string // what to do about it; empty where nothing can be done here
}

func (u *Unavailable) Error() string {
	return string(u.Reason) + ": " + u.Advised()
}

// Advised is the detail with what to do about it, as it goes into a record.
func (u *Unavailable) Advised() string {
	if u.Remedy == "" {
		return u.Detail
	}
	return u.Detail + "; " + u.Remedy
}

// RunError says that a run broke in a backend that otherwise works: it becomes an error run.
type RunError struct {
	Reason Reason
	Detail string
}

func (e *RunError) Error() string { return string(e.Reason) + ": " + e.Detail }
