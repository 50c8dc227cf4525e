"""benchmark_text: the expected rate beside the measured one."""

from distil_jax.profiling.benchmark_text import training_rows

MEASURED = {
    "tokens_per_second": 261_000.0,
    "step_seconds": 1.0,
    "model_flops_per_token": 0.66e9,
    "peak_flops_per_second": 989e12,
    "utilisation": 0.176,
    "share_of_products": 0.25,
    "product_flops_per_second": 650e12,
    "compute": "bfloat16",
    "input_wait": 0.002,
    "memory_of": "the fullest device",
    "peak_bytes": 22.5e9,
    "first_step_seconds": 17.0,
}
EXPECTED = {
    "traffic_bytes": 2.0e12,
    "traffic_bytes_per_token": 8e6,
    "traffic_by_kind": {"attention": 1.2e12, "vocabulary losses": 0.5e12, "rest": 0.3e12},
    "limit": "memory",
    "limit_seconds": 0.614,
    "expected_tokens_per_second": 300_000.0,
}


def test_the_expected_rate_stands_beside_the_measured_one() -> None:
    rows = dict(training_rows(MEASURED | EXPECTED))
    assert rows["tokens/s, expected"] == "300,000; measured are 87% of it"
    assert rows["limit"] == "memory: 0.614 s a step at the published peaks"
    traffic = rows["memory traffic of a device's step"]
    assert traffic.startswith("2,000.00 GB, 8.00 MB a token (attention 60%, vocabulary losses 25%")


def test_figures_of_an_earlier_version_say_what_they_have() -> None:
    names = [name for name, _ in training_rows(MEASURED)]
    assert names[:2] == ["tokens/s", "seconds a step"]
