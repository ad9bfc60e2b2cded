"""The worker of bh's transformers backends: PyTorch and transformers behind bh's worker protocol, version 2.

It is written into bh's binary and started by bh-run; package worker (protocol.go, serve.go) says what it speaks and what
each number means. One JSON object per line: requests on standard input, one reply for each on standard output, in order.

All times are taken here, around the call of the model's own forward and, on a GPU, after the device has finished. Decoding
is a loop in this file over that forward; `generate()` is not used, because its bookkeeping is not the model's work.
Imports, loading and compiling happen while a model is opened and a task is prepared, never inside a measured window.
"""

from __future__ import annotations

import contextvars
import errno
import gc
import json
import os
import platform
import queue
import shutil
import sys
import threading
import time
import traceback
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Callable, Iterator

if TYPE_CHECKING:
    import torch
    from transformers import Cache

VERSION = 2  # of the protocol
clock = time.perf_counter_ns  # monotonic


class RunError(Exception):
    """A run broke in a backend that otherwise works."""

    unavailable = False

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Unavailable(RunError):
    """The backend cannot work here: a degraded run."""

    unavailable = True


@dataclass
class Result:
    """What one run of a job gave; times in nanoseconds, see backend.Result."""

    latency: int
    output: list[list[int]]
    ttft: int = 0
    itl: list[int] = field(default_factory=list)
    generated: int = 0
    requests: list[int] | None = None


@dataclass
class Task:
    """A scenario in a mode, see backend.Task; ids and mask have a row for each sequence, padded on the left."""

    mode: str
    ids: list[list[int]]
    mask: list[list[int]]
    max_new: int
    temperature: float
    seed: int
    offset: int
    threads: int  # intra-op, of this task

    @property
    def prompt(self) -> int:
        return len(self.ids[0])


def uniform(seed: int, sequence: int, position: int) -> float:
    """A number in [0, 1): SplitMix64 of the seed, jumped to the sequence and position, as in bh's sample.go."""
    z = (seed + (1 + (sequence << 20) + position) * 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
    return ((z ^ z >> 31) >> 11) / 2**53


class Decoding:
    """What each sequence of a batch has produced and which have ended, as in bh's greedy.go."""

    def __init__(self, task: Task, eos: int) -> None:
        self.task, self.eos = task, eos
        self.out: list[list[int]] = [[] for _ in task.ids]
        self.ended = [False] * len(task.ids)
        self.highest: list[torch.Tensor] = []  # the highest logit of each choice

    def step(self, logits: torch.Tensor) -> torch.Tensor:
        """Chooses a token per sequence from its last logits [batch, vocabulary]; gives the ids to feed next [batch, 1].

        A sequence ends with its EOS. After that it is fed EOS, which no other sequence sees, and nothing counts."""
        highest, chosen = logits.max(dim=-1)  # the lowest id on a tie
        self.highest.append(highest)
        if self.task.temperature > 0:
            chosen = self.sample(logits, highest)
        for b, token in enumerate(chosen.tolist()):
            if not self.ended[b]:
                self.out[b].append(token)
                self.ended[b] = token == self.eos
        if any(self.ended):
            chosen = torch.tensor([self.eos if end else out[-1] for end, out in zip(self.ended, self.out)], device=logits.device)
        return chosen.unsqueeze(1)

    def sample(self, logits: torch.Tensor, highest: torch.Tensor) -> torch.Tensor:
        """Draws from softmax(logits / temperature) by inversion in the order of the ids: the first id whose cumulative
        probability exceeds a uniform number. In float64, so that every backend draws the same from the same logits."""
        weights = torch.exp((logits.double() - highest.double().unsqueeze(1)) / self.task.temperature)
        cumulative = weights.cumsum(dim=-1)
        draws = [uniform(self.task.seed, self.task.offset + b, len(out)) for b, out in enumerate(self.out)]
        thresholds = torch.tensor(draws, dtype=torch.float64, device=logits.device).unsqueeze(1) * cumulative[:, -1:]
        ids = torch.searchsorted(cumulative, thresholds, right=True).squeeze(1)
        return ids.clamp(max=logits.shape[-1] - 1)


def check_numbers(highest: list[torch.Tensor]) -> None:
    """Refuses logits without a number, by the highest of each choice. It is called after the clock: asking a GPU at every
    token would cost time."""
    if highest and not bool(torch.isfinite(torch.stack(highest)).all()):
        raise RunError("output_invalid", "saw logits that are not numbers")


class Job(ABC):
    """A prepared task. All tensors that the passes take are made here, so that a run makes none but the model's own."""

    def __init__(self, engine: Engine, task: Task) -> None:
        self.engine, self.task = engine, task
        total = task.prompt + max(task.max_new - 1, 0) * (task.mode != "prefill")
        engine.check(task, total)
        self.ids = engine.tensor(task.ids)
        mask = engine.tensor([row + [1] * (total - len(row)) for row in task.mask])
        self.mask = mask  # [batch, prompt and all new tokens but the last]
        # A token's position is the number of real tokens before it, so left padding shifts nothing.
        self.positions = (mask.cumsum(dim=1) - 1).clamp(min=0)

    def run(self, passes: int = sys.maxsize) -> Result:
        """Does the task once, at most so many passes of it."""
        torch.set_num_threads(self.task.threads)  # of this thread, which may have done another task before
        with torch.inference_mode():
            return self.timed(passes)

    @abstractmethod
    def timed(self, passes: int) -> Result:
        """Does the task once."""

    def rehearse(self) -> None:
        """Runs what has a shape of its own."""
        self.run()

    def pieces(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        """The columns of mask or positions up to each new token, each a tensor of its own."""
        return [tensor[:, :n].contiguous() for n in range(self.task.prompt, tensor.shape[1] + 1)]


class Prefill(Job):
    """One forward pass over the prompt; the likeliest next token is chosen after the clock has stopped."""

    def timed(self, passes: int) -> Result:
        self.engine.sync()
        start = clock()
        logits = self.engine.forward(self.ids, attention_mask=self.mask, position_ids=self.positions, use_cache=False).logits
        self.engine.sync()
        latency = clock() - start
        highest, chosen = logits[:, -1].max(dim=-1)
        check_numbers([highest])
        return Result(latency, [[token] for token in chosen.tolist()])


class Generate(Job):
    """Decoding: a pass and the choice of a token, again and again. The choice is inside the times."""

    def timed(self, passes: int) -> Result:
        state, feed, itl, ttft = Decoding(self.task, self.engine.eos), self.begin(), [], 0
        self.engine.sync()
        start = last = clock()
        for step in range(min(self.task.max_new, passes)):
            feed = self.after(feed, state.step(self.forward(step, feed)[:, -1]))
            self.engine.sync()
            now = clock()
            if step == 0:
                ttft = now - start
            else:
                itl.append(now - last)
            last = now
            if all(state.ended):
                break
        check_numbers(state.highest)
        return Result(last - start, state.out, ttft, itl, sum(map(len, state.out)))

    def begin(self) -> torch.Tensor:
        """Makes ready for a new run; gives the ids of the first pass."""
        return self.ids

    @abstractmethod
    def forward(self, step: int, feed: torch.Tensor) -> torch.Tensor:
        """One pass; gives its logits."""

    @abstractmethod
    def after(self, feed: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """The ids of the next pass: those of the last one and the tokens that it led to."""


class Uncached(Generate):
    """One full forward pass per new token, each over everything so far."""

    def __init__(self, engine: Engine, task: Task) -> None:
        super().__init__(engine, task)
        self.masks, self.places = self.pieces(self.mask), self.pieces(self.positions)

    def forward(self, step: int, feed: torch.Tensor) -> torch.Tensor:
        mask, places = self.masks[step], self.places[step]
        self.engine.grows(1, feed, mask, places)
        return self.engine.forward(feed, attention_mask=mask, position_ids=places, use_cache=False).logits

    def after(self, feed: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        return torch.cat((feed, tokens), dim=1)


class Cached(Generate):
    """One pass over the prompt, then one token at a time. Without compilation the cache is transformers' default, which
    grows; with it the static one, because what grows cannot keep its compiled shape."""

    def __init__(self, engine: Engine, task: Task) -> None:
        super().__init__(engine, task)
        total = self.mask.shape[1]
        self.cache: Cache | None = engine.static_cache(len(task.ids), total) if engine.compiler else None
        self.masks = [self.mask] * task.max_new if engine.compiler else self.pieces(self.mask)
        prompt = task.prompt
        self.places = [self.positions[:, :prompt].contiguous()]
        self.places += [self.positions[:, n : n + 1].contiguous() for n in range(prompt, total)]

    def begin(self) -> torch.Tensor:
        if self.cache is None:
            self.past = self.engine.dynamic_cache()
        else:
            self.past = self.cache
            self.past.reset()
        return self.ids

    def forward(self, step: int, feed: torch.Tensor) -> torch.Tensor:
        return self.engine.forward(
            feed, attention_mask=self.masks[step], position_ids=self.places[step], past_key_values=self.past, use_cache=True
        ).logits

    def after(self, feed: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        return tokens

    def rehearse(self) -> None:
        self.run(passes=3)  # the prompt, a token, and one more that must find everything compiled


JOBS: dict[str, type[Job]] = {"prefill": Prefill, "generate": Uncached, "generate-cached": Cached}


class Group:
    """Several requests in flight at once, each with a thread that it keeps: OpenMP's threads belong to the one that started
    them. The task's intra-op threads are dealt out to the requests."""

    def __init__(self, jobs: list[Job]) -> None:
        self.jobs = jobs
        self.threads = [ThreadPoolExecutor(max_workers=1) for _ in jobs]
        # PyTorch keeps its settings by context; a thread that is not given a copy of ours compiles by others.
        self.contexts = [contextvars.copy_context() for _ in jobs]

    def together(self, work: Callable[[Job], Any]) -> list[tuple[int, Any]]:
        """Lets every request do its work; gives for each how long after the start of all it began, and what came of it."""
        start: list[int] = []
        gate = threading.Barrier(len(self.jobs), action=lambda: start.append(clock()))

        def one(job: Job) -> tuple[int, Any]:
            gate.wait()
            return clock() - start[0], work(job)

        ending = [t.submit(c.run, one, job) for t, c, job in zip(self.threads, self.contexts, self.jobs)]
        wait(ending)
        return [e.result() for e in ending]

    def run(self) -> Result:
        """The rule is that of a batch, see concurrent.go: a step is over when every request has its token of that number or
        has ended. Times are since the start of all."""
        begun, results = zip(*self.together(Job.run))
        times = [list(accumulate([after + r.ttft, *r.itl])) for after, r in zip(begun, results)]
        steps = [max(t[min(k, len(t) - 1)] for t in times) for k in range(max(map(len, times)))]
        prefill = results[0].ttft == 0
        return Result(
            max(after + r.latency for after, r in zip(begun, results)),
            output=[tokens for r in results for tokens in r.output],
            ttft=0 if prefill else steps[0],
            itl=[] if prefill else [b - a for a, b in pairwise(steps)],
            generated=sum(r.generated for r in results),
            requests=[r.latency for r in results],
        )

    def rehearse(self) -> None:
        self.together(Job.rehearse)

    def close(self) -> None:
        for thread in self.threads:
            thread.shutdown()


class Compiler:
    """torch.compile, and what it costs: how often it compiled, for how long, and where the graph broke.

    The counts come from the callbacks that Dynamo calls around each compilation and each recording of a CUDA graph."""

    def __init__(self, settings: dict[str, str], device: torch.device) -> None:
        from torch._dynamo import callback, config, utils

        self.mode = settings.get("compile_mode", "default")
        self.dynamic = settings.get("dynamic", "auto")
        # A length that changes with every token is declared dynamic; all else is compiled for its own shape. Without the
        # second line the kernels of a shape would depend on which shapes came before it.
        config.automatic_dynamic_shapes = False
        config.recompile_limit = config.accumulated_recompile_limit = 1 << 20
        config.fail_on_recompile_limit_hit = True  # the default is to go on uncompiled, without a word
        self.times = self.ns = self.began = 0
        self.breaks = utils.counters["graph_break"]
        callback.callback_handler.register_start_callback(self.on_start)
        callback.callback_handler.register_end_callback(self.on_end)
        self.start(device)

    def on_start(self, _: Any) -> None:
        self.times += 1
        self.began = clock()

    def on_end(self, _: Any) -> None:
        self.ns += clock() - self.began

    def start(self, device: torch.device) -> None:
        """Compiles something small: finding out what the compilers can do takes longer than a small model, and belongs to
        no task."""
        try:
            torch.compile(lambda x: x * 2 + 1)(torch.zeros(64, device=device))
        except Exception as e:
            raise Unavailable("library_failed", f"torch.compile does not work here: {describe(e)}") from e
        if self.times == 0:
            raise Unavailable("library_failed", "torch.compile compiled nothing; unset TORCHDYNAMO_DISABLE and TORCH_COMPILE_DISABLE")

    def wrap(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        dynamic = {"auto": None, "true": True, "false": False}[self.dynamic]
        if self.mode == "default":
            return torch.compile(forward, dynamic=dynamic)
        compiled = torch.compile(forward, mode=self.mode, dynamic=dynamic)

        def call(*args: Any, **kwargs: Any) -> Any:
            torch.compiler.cudagraph_mark_step_begin()  # what the last pass returned has been used, its memory may be again
            return compiled(*args, **kwargs)

        return call

    def settle(self, job: Job | Group) -> None:
        """Rehearses until nothing is compiled any more. A CUDA graph is recorded at the second pass of a shape."""
        for _ in range(8):
            before = self.times
            job.rehearse()
            if self.times == before or self.mode == "default":
                return
        raise RunError("run_failed", "torch.compile still compiled in the eighth rehearsal")


class Engine:
    """A model on its device."""

    def __init__(self, spec: dict[str, Any], gpu: bool, compiled: bool, settings: dict[str, str]) -> None:
        from transformers import DynamicCache, GPT2LMHeadModel, StaticCache
        from transformers.utils import logging

        logging.disable_progress_bar()
        self.threads = spec["threads"]
        torch.set_num_threads(self.threads)
        torch.set_num_interop_threads(1)
        self.device = torch.device("cuda" if gpu else "cpu")
        self.dtype = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[spec["precision"]]
        self.static, self.dynamic_cache = StaticCache, lambda: DynamicCache(config=self.config)
        self.load(GPT2LMHeadModel, spec["model_dir"], settings.get("attention", "sdpa"))
        self.sync: Callable[[], None] = torch.cuda.synchronize if gpu else lambda: None
        self.compiler = Compiler(settings, self.device) if compiled else None
        self.forward: Callable[..., Any] = self.compiler.wrap(self.model.forward) if self.compiler else self.model

    def load(self, kind: Any, folder: str, attention: str) -> None:
        """Loads the weights, and refuses a folder that lacks some: transformers would draw them at random."""
        try:
            self.model, info = kind.from_pretrained(
                folder, dtype=self.dtype, attn_implementation=attention, local_files_only=True, output_loading_info=True
            )
            self.model.to(self.device).eval()
        except Exception as e:
            if out_of_memory(e):
                raise
            raise Unavailable("model_failed", f"{folder}: {describe(e)}") from e
        for what in ("missing_keys", "mismatched_keys", "unexpected_keys"):
            if info.get(what):
                raise Unavailable("model_failed", f"{folder}: {what.replace('_', ' ')}: {sorted(map(str, info[what]))[:3]}")
        self.config = self.model.config
        self.eos = self.config.eos_token_id

    def info(self, folder: str, settings: dict[str, str]) -> dict[str, str]:
        """What did the work."""
        import transformers

        with open(os.path.join(folder, "bh_model.json"), encoding="utf-8") as f:
            meta = json.load(f)
        out = {
            "library": f"torch {torch.__version__}, transformers {transformers.__version__}",
            "python": platform.python_version(),
            "model": meta["name"],
            "weights": meta["files"]["model.safetensors"]["sha256"],
            "sampler": "bh",
            "attention": settings.get("attention", "sdpa"),
            "device": "cpu",
        }
        if self.device.type == "cuda":
            out["device"], out["cuda"] = torch.cuda.get_device_name(), str(torch.version.cuda or torch.version.hip)
        else:
            out["cpu_capability"] = torch.backends.cpu.get_cpu_capability()
        if self.compiler:
            out["compile_mode"], out["dynamic"] = self.compiler.mode, self.compiler.dynamic
            out["compile_cache"] = settings.get("compile_cache", "cold")
        return out

    def tensor(self, rows: list[list[int]]) -> torch.Tensor:
        return torch.tensor(rows, dtype=torch.long, device=self.device)

    def static_cache(self, batch: int, tokens: int) -> Cache:
        cache = self.static(config=self.config, max_cache_len=tokens)
        heads = self.config.n_head
        cache.early_initialization(batch, heads, self.config.n_embd // heads, self.dtype, self.device)
        return cache

    def grows(self, axis: int, *tensors: torch.Tensor) -> None:
        """Says that the length along axis changes with every token."""
        if self.compiler and self.compiler.dynamic == "auto":
            for t in tensors:
                torch._dynamo.maybe_mark_dynamic(t, axis)

    def check(self, task: Task, total: int) -> None:
        """Refuses ids and lengths that the model does not have; a GPU would break for good at them."""
        if total > self.config.n_positions:
            raise RunError("run_failed", f"saw {total} tokens, the model has {self.config.n_positions} positions")
        if max(map(max, task.ids)) >= self.config.vocab_size:
            raise RunError("run_failed", f"saw token {max(map(max, task.ids))}, the vocabulary has {self.config.vocab_size}")

    def prepare(self, task: dict[str, Any]) -> Job | Group:
        """Prepares a task: one job, or one for each of the requests that are to be in flight at once."""
        if task["mode"] not in JOBS:
            raise Unavailable("mode_unsupported", task["mode"])
        requests = max(task.get("concurrency", 0), 1)
        prompt = task["prompt"]
        batch = len(prompt["IDs"])
        if batch % requests:
            raise RunError("run_failed", f"prepare: saw {batch} sequences for {requests} requests, want as many for each")
        each = batch // requests
        jobs = []
        for first in range(0, batch, each):
            rows = slice(first, first + each)
            part = Task(
                task["mode"], prompt["IDs"][rows], prompt["Mask"][rows], task["max_new_tokens"], task.get("temperature", 0),
                task.get("seed", 0), task.get("offset", 0) + first, max(self.threads // requests, 1),
            )
            jobs.append(JOBS[part.mode](self, part))
        return jobs[0] if requests == 1 else Group(jobs)


def reset_peak_rss() -> None:
    """Sets the kernel's peak of the resident memory to its present value (proc(5), clear_refs). Where that is not allowed
    the peak stays that of the whole process, which is still an upper bound of the run's."""
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as f:
            f.write("5")
    except OSError:
        pass


def peak_rss() -> int | None:
    """The peak of the resident memory since the last reset in bytes; None where the system does not tell."""
    try:
        with open("/proc/self/status", encoding="ascii") as f:
            return next(int(line.split()[1]) << 10 for line in f if line.startswith("VmHWM:"))
    except (OSError, StopIteration, ValueError):
        return None


def out_of_memory(e: BaseException) -> bool:
    """PyTorch says on the CPU only in words that there was no memory."""
    if isinstance(e, MemoryError) or (isinstance(e, OSError) and e.errno == errno.ENOMEM):
        return True
    return type(e).__name__ == "OutOfMemoryError" or any(w in str(e) for w in ("can't allocate memory", "bad_alloc", "Cannot allocate memory"))


def describe(e: BaseException) -> str:
    """The beginning of an error in one line: compilers are long-winded."""
    words = " ".join(str(e).split())
    return f"{type(e).__name__}: {words if len(words) <= 600 else words[:600] + ' …'}"


@dataclass
class Cell:
    """A prepared task, and what preparing and warming it up compiled."""

    job: Job | Group
    processed: int  # prompt tokens of one iteration
    compile_ns: int = 0
    graph_breaks: int = 0


class Server:
    """Answers requests; package worker's server in another language."""

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self.cells: dict[str, Cell] = {}
        self.last_end = 0  # of the last window, 0 when something else came after it
        self.collections = 0  # garbage collections so far
        # The compiler's folder, where it is this worker's own. The parent removes it where this process cannot any more.
        self.scratch: str | None = None
        gc.disable()  # it is run by hand between windows and never inside one
        gc.callbacks.append(self.count)

    def count(self, phase: str, _: dict[str, int]) -> None:
        self.collections += phase == "start"

    def answer(self, req: dict[str, Any]) -> dict[str, Any]:
        """Carries out one request; whatever goes wrong becomes its error."""
        reply: dict[str, Any] = {"id": req.get("id", 0)}
        try:
            if req.get("v") != VERSION:
                raise RunError("run_failed", f"protocol version: saw {req.get('v')}, want {VERSION}")
            handlers = {"open": self.open, "prepare": self.prepare, "warmup": self.warmup, "measure": self.measure}
            if req.get("op") not in handlers:
                raise RunError("run_failed", f"request: saw op {req.get('op')!r}, want open, prepare, warmup or measure")
            reply.update(handlers[req["op"]](req))
        except RunError as e:
            reply["error"] = {"unavailable": e.unavailable, "reason": e.reason, "detail": str(e)}
        except Exception as e:  # the worker lives on
            traceback.print_exc()
            reason = "out_of_memory" if out_of_memory(e) else "run_failed"
            reply["error"] = {"unavailable": False, "reason": reason, "detail": describe(e)}
        return reply

    def open(self, req: dict[str, Any]) -> dict[str, Any]:
        start = clock()
        spec, backend = req["spec"], req["backend"]
        settings, folder = spec.get("settings") or {}, spec["model_dir"]
        for name in ("bh_model.json", "config.json", "model.safetensors"):
            if not os.path.isfile(os.path.join(folder, name)):
                raise Unavailable("model_not_found", f"{os.path.join(folder, name)} is not there")
        gpu, compiled = backend.startswith("transformers-gpu"), backend.endswith("-compile")
        self.start_library(spec["threads"], gpu, compiled and settings.get("compile_cache", "cold") == "cold")
        self.engine = Engine(spec, gpu, compiled, settings)
        info = self.engine.info(folder, settings)
        self.tidy()
        return {"opened": {"info": info, "load_ns": clock() - start}}

    def start_library(self, threads: int, gpu: bool, cold: bool) -> None:
        """Imports PyTorch. Its thread pools and its compiler read the environment when they start."""
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(threads)
        if cold:  # so that the time of compiling never depends on what was compiled before
            self.scratch = os.environ["BH_WORKER_SCRATCH"]
            os.makedirs(self.scratch, 0o700, exist_ok=True)
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = self.scratch
        global torch
        try:
            import torch
            import transformers
        except ModuleNotFoundError as e:
            raise Unavailable("python_not_found", f"{sys.executable}: {e}; run `bh-run setup transformers`") from e
        except (ImportError, OSError) as e:
            raise Unavailable("library_failed", f"{sys.executable}: {describe(e)}") from e
        if gpu and not torch.cuda.is_available():
            raise Unavailable("gpu_not_found", f"torch {torch.__version__} sees no GPU: {why_no_gpu()}")

    def prepare(self, req: dict[str, Any]) -> dict[str, Any]:
        if self.engine is None or not req.get("task"):
            raise RunError("run_failed", "prepare: saw no open model or no task")
        self.last_end = 0
        old = self.cells.pop(req["cell"], None)
        if old and isinstance(old.job, Group):
            old.job.close()
        job, prompt = self.engine.prepare(req["task"]), req["task"]["prompt"]["IDs"]
        cell = Cell(job, len(prompt) * len(prompt[0]))
        if self.engine.compiler:
            self.compiling(cell, lambda: self.engine.compiler.settle(job))
        self.cells[req["cell"]] = cell
        self.tidy()
        return {}

    def warmup(self, req: dict[str, Any]) -> dict[str, Any]:
        cell = self.cell(req)
        self.last_end = 0
        self.compiling(cell, lambda: [cell.job.run() for _ in range(req.get("times", 0))])
        return {"compile": {"ns": cell.compile_ns, "graph_breaks": cell.graph_breaks}} if self.engine.compiler else {}

    def compiling(self, cell: Cell, work: Callable[[], Any]) -> None:
        """Does work that may compile, and adds what it compiled to the cell's account."""
        compiler = self.engine.compiler
        if compiler is None:
            work()
            return
        ns, breaks = compiler.ns, sum(compiler.breaks.values())
        work()
        cell.compile_ns += compiler.ns - ns
        cell.graph_breaks += sum(compiler.breaks.values()) - breaks

    def cell(self, req: dict[str, Any]) -> Cell:
        cell = self.cells.get(req.get("cell", ""))
        if cell is None:
            raise RunError("run_failed", f"cell {req.get('cell')!r}: saw a run before it was prepared")
        return cell

    def tidy(self) -> None:
        """Collects garbage and takes what is left, the model and the compiler, out of the collections between windows."""
        gc.unfreeze()
        gc.collect()
        gc.freeze()

    def measure(self, req: dict[str, Any]) -> dict[str, Any]:
        """Repeats the job until the window is long enough. Garbage is collected and the peaks of memory are reset before."""
        cell, gpu, compiler = self.cell(req), self.engine.device.type == "cuda", self.engine.compiler
        min_window, results = req.get("min_window_ns", 0), []
        gc.collect()
        reset_peak_rss()
        if gpu:
            torch.cuda.reset_peak_memory_stats()
        collections, compiled = self.collections, compiler.times if compiler else 0
        start_unix, start = time.time_ns(), clock()
        while True:
            results.append(cell.job.run())
            if clock() - start >= min_window:
                break
        end = clock()
        window = summary(results)
        # The end is the start and the monotonic time since, so a step of the wall clock cannot make a window negative.
        window["start_unix_ns"], window["end_unix_ns"] = start_unix, start_unix + end - start
        window["gap_ns"] = start - self.last_end if self.last_end else 0
        window["tokens_processed"], window["gcs"] = cell.processed, self.collections - collections
        window["rss_peak_bytes"] = peak_rss()
        if gpu:
            window["vram_peak_bytes"] = torch.cuda.max_memory_allocated()
        if compiler:
            window["recompiles"] = compiler.times - compiled
            window["flags"] = ["recompiled"] if compiler.times > compiled else None
        self.last_end = end
        return {"window": window}

    def close(self) -> None:
        if self.scratch:
            shutil.rmtree(self.scratch, ignore_errors=True)


def summary(results: list[Result]) -> dict[str, Any]:
    """The iterations of a window as the protocol has them: means over iterations, gap by gap and request by request."""
    n, last = len(results), results[-1]
    return {
        "iteration_ns": [r.latency for r in results],
        "ttft_ns": sum(r.ttft for r in results) // n,
        "itl_ns": [sum(gaps) // n for gaps in zip(*(r.itl for r in results))],
        "request_ns": last.requests and [sum(times) // n for times in zip(*(r.requests for r in results))],
        "tokens_generated": last.generated,
        "output": last.output,
    }


def why_no_gpu() -> str:
    """CUDA's own words; is_available gives none."""
    try:
        torch.cuda.init()
    except Exception as e:
        return describe(e)
    return "it names none"


class Inbox:
    """The requests on standard input. When that is closed in the middle of one, which means that the parent is gone, the
    process ends at once: nobody is left to measure for."""

    def __init__(self, abandon: Callable[[], None]) -> None:
        self.lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.received = self.answered = 0  # each is changed by one thread only
        self.abandon = abandon
        threading.Thread(target=self.read, daemon=True).start()

    def read(self) -> None:
        for line in sys.stdin.buffer:
            self.received += 1
            self.lines.put(line)
        if self.received > self.answered:
            self.abandon()
            os._exit(1)
        self.lines.put(None)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while (line := self.lines.get()) is not None:
            yield json.loads(line)


def main() -> None:
    # The protocol takes standard output for itself; what a library prints there goes to standard error.
    protocol = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    server = Server()
    inbox = Inbox(abandon=server.close)
    try:
        for request in inbox:
            reply = server.answer(request)
            inbox.answered += 1  # before the answer is sent, as the parent may hang up as soon as it has it
            protocol.write(json.dumps(reply, separators=(",", ":")) + "\n")
            protocol.flush()
    finally:
        server.close()
    os._exit(0)  # what PyTorch and Triton do at a normal end takes half a second and prints what they forgot to free


if __name__ == "__main__":
    main()
