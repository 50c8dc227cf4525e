#!/usr/bin/env bash
# Fine-tune a student on a table of yours, score it, label new text, and export it for onnxruntime.
#
#     examples/fine_tune_and_export.sh STUDENT TRAIN.jsonl VALIDATION.jsonl OUTPUT [EVALUATE FLAGS]
set -euo pipefail
student=$1 train=$2 validation=$3 output=$4
shift 4

python -m distil_jax.evaluate --model="$student" --task=classification --seeds=1 \
    --train="$train" --validation="$validation" --output="$output/scores" "$@"
python -m distil_jax.predict --model="$output/scores/seed-0/model" --input="$validation" \
    --output="$output/predictions.jsonl"
python -m distil_jax.export --model="$output/scores/seed-0/model" --format=onnx --quantize=int8 \
    --output="$output/onnx"
