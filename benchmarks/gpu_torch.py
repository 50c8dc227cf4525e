"""The recipe's step in PyTorch on a GPU: bfloat16, SDPA, torch.compile; for `gpu.py`."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import transformers
from torch.nn import functional

ROUNDS = 6
IGNORE = -100
SIZES = {
    "vocab_size": 30522,
    "num_hidden_layers": 12,
    "hidden_size": 768,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
}
TINY = {
    "vocab_size": 1009,
    "num_hidden_layers": 2,
    "hidden_size": 64,
    "num_attention_heads": 2,
    "intermediate_size": 128,
}


def measure(rehearse: bool) -> dict[str, Any]:
    """Tokens/s with torch.compile and without, in micro-batches of 64 rows of 512 tokens."""
    device = "cpu" if rehearse else "cuda"
    rows, length, micro = (4, 32, 2) if rehearse else (512, 512, 64)
    sizes = TINY if rehearse else SIZES
    found: dict[str, Any] = {"torch": torch.__version__}
    for name in ("eager",) if rehearse else ("compiled", "eager"):
        models = _models(sizes, device)
        step = _step(*models, compiled=name == "compiled")
        seconds = _times(step, (rows, length), micro, device, sizes["vocab_size"])
        found[f"{name}_tokens_per_second"] = rows * length / seconds
        if device == "cuda":
            found[f"{name}_peak_bytes"] = torch.cuda.max_memory_allocated()
            torch.cuda.reset_peak_memory_stats()
        del models, step
    return found


def _models(sizes: dict[str, int], device: str) -> tuple[torch.nn.Module, torch.nn.Module]:
    bert = transformers.BertConfig(**sizes)
    distilled = transformers.DistilBertConfig(
        vocab_size=sizes["vocab_size"],
        dim=sizes["hidden_size"],
        n_layers=sizes["num_hidden_layers"] // 2,
        n_heads=sizes["num_attention_heads"],
        hidden_dim=sizes["intermediate_size"],
    )
    build = transformers.AutoModelForMaskedLM.from_config
    teacher = build(bert, attn_implementation="sdpa").to(device, torch.bfloat16).eval()
    student = build(distilled, attn_implementation="sdpa").to(device).train()
    return teacher, student


def _step(teacher: Any, student: Any, *, compiled: bool) -> Callable[..., None]:
    """Backward passes of all micro-batches, clipping, AdamW."""
    optimizer = torch.optim.AdamW(student.parameters(), lr=5e-4, fused=compiled or None)

    def loss_of(tokens: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        with torch.autocast(tokens.device.type, torch.bfloat16):
            with torch.no_grad():
                said = teacher(input_ids=tokens, output_hidden_states=True)
            seen = student(input_ids=tokens, output_hidden_states=True)
        mine, theirs = (one.logits.float().flatten(0, 1) for one in (seen, said))
        divergence = functional.kl_div(
            functional.log_softmax(mine / 2.0, dim=-1),
            functional.softmax(theirs / 2.0, dim=-1),
            reduction="batchmean",
        )
        entropy = functional.cross_entropy(mine, labels.flatten(), ignore_index=IGNORE)
        hidden = (one.hidden_states[-1].float().flatten(0, 1) for one in (seen, said))
        cosine = 1 - functional.cosine_similarity(*hidden, dim=-1).mean()
        return 5.0 * divergence * 4.0 + 2.0 * entropy + cosine

    loss = torch.compile(loss_of) if compiled else loss_of

    def step(tokens: torch.Tensor, labels: torch.Tensor, micro: int) -> None:
        parts = list(zip(tokens.split(micro), labels.split(micro), strict=True))
        for part in parts:
            (loss(*part) / len(parts)).backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 5.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def _times(
    step: Callable[..., None], shape: tuple[int, int], micro: int, device: str, vocabulary: int
) -> float:
    """Median seconds of a step after the first."""
    seconds = []
    for number in range(2 if device == "cpu" else ROUNDS):
        generator = torch.Generator().manual_seed(number)
        tokens = torch.randint(104, vocabulary, shape, generator=generator)
        chosen = torch.rand(shape, generator=generator) < 0.15
        labels = torch.where(chosen, tokens, IGNORE).to(device)
        masked = torch.where(chosen, 103, tokens).to(device)
        start = time.perf_counter()
        step(masked, labels, micro)
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])
