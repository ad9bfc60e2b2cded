package backend

import "fmt"

// Reason says in one word why a run has no measurements; docs/reasons.md lists them for readers of the records.
type Reason string

// Why nothing ran: status degraded.
const (
	NotInThisVersion     Reason = "backend_not_in_this_version"
	LibraryNotFound      Reason = "library_not_found"
	LibraryFailed        Reason = "library_failed"
	ModelNotFound        Reason = "model_not_found"
	ModelFailed          Reason = "model_failed"
	ModeUnsupported      Reason = "mode_unsupported"
	PrecisionUnsupported Reason = "precision_unsupported"
	SettingUnsupported   Reason = "setting_unsupported"
)

// Why a run broke: status error.
const (
	RunFailed     Reason = "run_failed"
	OutputInvalid Reason = "output_invalid"
	WorkerCrashed Reason = "worker_crashed"
	WorkerTimeout Reason = "worker_timeout"
	WorkerGaveUp  Reason = "worker_gave_up"
)

// Reasons describes every reason, for the documentation and the test that keeps it true.
func Reasons() map[Reason]string {
	return map[Reason]string{
		NotInThisVersion:     "This version of bh has no driver for the backend yet.",
		LibraryNotFound:      "A shared library that the backend needs is not on this machine.",
		LibraryFailed:        "The library is there but could not be loaded or initialised.",
		ModelNotFound:        "The model folder is missing or not complete.",
		ModelFailed:          "The backend could not load the model.",
		ModeUnsupported:      "The backend cannot do this mode by its nature.",
		PrecisionUnsupported: "The backend does not offer this precision.",
		SettingUnsupported:   "The backend does not know this setting or value.",
		RunFailed:            "The backend reported an error while running.",
		OutputInvalid:        "The backend gave logits that are not numbers.",
		WorkerCrashed:        "The worker process ended in the middle of a run (crash, kill, out of memory).",
		WorkerTimeout:        "The run took longer than the time limit and its worker was killed.",
		WorkerGaveUp:         "The worker of this backend crashed or hung several times in a row, so the rest was not tried.",
	}
}

// Unavailable says that a backend cannot work here: it becomes a degraded run.
type Unavailable struct {
	Reason Reason
	Detail string
	Remedy string // what to do about it; empty where nothing can be done here
}

func (u *Unavailable) Error() string {
	if u.Remedy == "" {
		return fmt.Sprintf("%s: %s", u.Reason, u.Detail)
	}
	return fmt.Sprintf("%s: %s; %s", u.Reason, u.Detail, u.Remedy)
}

// RunError says that a run broke in a backend that otherwise works: it becomes an error run.
type RunError struct {
	Reason Reason
	Detail string
}

func (e *RunError) Error() string { return string(e.Reason) + ": " + e.Detail }
