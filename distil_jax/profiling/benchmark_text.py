"""What `benchmark` measured as the lines that a terminal shows."""

from collections.abc import Mapping, Sequence
from typing import Any

MODELS = ("student", "teacher")
EXPORT = "export "


def lines(content: Mapping[str, Any]) -> list[str]:
    """Training first, then inference, whichever was measured."""
    text = _training(content["training"]) if "training" in content else []
    if "student" in content:
        text += ([""] if text else []) + _inference(content)
    return text


def _training(figures: Mapping[str, Any]) -> list[str]:
    return [
        f"training of {figures['layers']} layers"
        + (f" under {figures['teacher']}" if figures["teacher"] else " without a teacher")
        + f": {figures['rows']} rows of {figures['length']} tokens a step, "
        f"{figures['micro_rows']} a device at one time, {figures['compute']}, "
        f"on {figures['device']}",
        *aligned(training_rows(figures)),
    ]


def training_rows(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Label and value of each figure; what is not known says so."""
    peak = figures["peak_flops_per_second"]
    utilisation = "unknown: no peak of this device is published here"
    if peak is not None:
        utilisation = f"{figures['utilisation']:.1%} of {peak / 1e12:,.0f} TFLOP/s (bfloat16)"
    return [
        ("tokens/s", f"{figures['tokens_per_second']:,.0f}"),
        *_expected(figures),
        ("seconds a step", f"{figures['step_seconds']:.3f}"),
        ("model FLOP a token", f"{figures['model_flops_per_token'] / 1e9:.3f} G"),
        ("model FLOPs utilisation", utilisation),
        (
            "share of what large matmuls reach here",
            f"{figures['share_of_products']:.1%} of "
            f"{figures['product_flops_per_second'] / 1e12:,.3g} TFLOP/s ({figures['compute']})",
        ),
        ("share of the time waiting for rows", f"{figures['input_wait']:.2%}"),
        (f"peak memory of {figures['memory_of']}", f"{figures['peak_bytes'] / 1e9:.2f} GB"),
        ("first step, with compilation", f"{figures['first_step_seconds']:.1f} s"),
    ]


def _expected(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the compiled step lets expect; nothing of an earlier version's figures."""
    traffic = figures.get("traffic_bytes")
    if not traffic:
        return []
    token = figures["traffic_bytes_per_token"]
    kinds = sorted(figures["traffic_by_kind"].items(), key=lambda kind: -kind[1])
    most = ", ".join(f"{name} {size / traffic:.0%}" for name, size in kinds[:3])
    rows = [
        (
            "memory traffic of a device's step",
            f"{traffic / 1e9:,.2f} GB, {token / 1e6:.2f} MB a token ({most})",
        )
    ]
    if (rate := figures["expected_tokens_per_second"]) is None:
        return rows
    limit = f"{figures['limit']}: {figures['limit_seconds']:.3f} s a step at the published peaks"
    measured = figures["tokens_per_second"] / rate
    return [
        ("tokens/s, expected", f"{rate:,.0f}; measured are {measured:.0%} of it"),
        *rows,
        ("limit", limit),
    ]


def _inference(content: Mapping[str, Any]) -> list[str]:
    lengths = content["lengths"]
    roles = [role for role in MODELS if role in content]
    roles += [role for role in content if role.startswith(EXPORT)]
    rows = [
        (
            f"{role}, {content[role]['layers']} layers",
            f"{content[role]['batch_1_milliseconds']:.2f} ms a sentence at batch 1, "
            f"{content[role]['batch_32_sentences_per_second']:,.1f} sentences/s at batch 32, "
            f"{content[role]['bytes'] / 1e6:,.1f} MB",
        )
        for role in roles
    ]
    ratios = content.get("ratios", {})
    comparison = [
        f"the student is {ratios[f'batch_{size}_speed']:.2f} times as fast at batch {size}"
        for size in (1, 32)
        if f"batch_{size}_speed" in ratios
    ]
    return [
        f"inference on {lengths['sentences']} sentences of {lengths['median']:.0f} tokens in the "
        f"median, on {content['device']}",
        *aligned(rows),
        *comparison,
    ]


def aligned(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Labels in one column, values in the next."""
    width = max(len(label) for label, _ in rows)
    return [f"  {label:<{width}}  {value}" for label, value in rows]
