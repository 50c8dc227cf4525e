"""DistilGPT2: GPT-2 to six of its twelve layers, by the same triple loss without masking.

    python -m distil_jax.prepare --input=TEXT --document=block --tokenizer=gpt2 --length=1024 \\
        --output=ROWS
    python -m distil_jax.main --config=distilgpt2 --workdir=DIR --config.data.train=ROWS \\
        --config.batch.micro_size=2

Hardware: any; it sets the recipe alone. Each token is predicted from those before it in its
segment, so the labels of the language-model loss are the next tokens, and soft targets and cosine
count at every token. The original scripts (Hugging Face's research projects, `distillation/`)
trained DistilGPT2 on OpenWebText; its weights of the losses were not published: these are the
scripts' 5, 2 and 1 with the language-model loss in the masked one's place. After fine-tuning,
WikiText-103's perplexity is 16.3 for GPT-2 and 21.1 for DistilGPT2 (their README); measure with
`python -m distil_jax.evaluate --task=causal_lm --model=DIR/student --data=TEXT --output=SCORES`.
"""

from ml_collections import ConfigDict

from distil_jax.configs import base


def get_config() -> ConfigDict:
    config = base.get_config()
    config.teacher = "gpt2"
    config.student.layers = "original"
    config.student.freeze = "positions"
    config.loss.masked_lm = 0.0
    config.loss.causal_lm = 2.0
    config.loss.temperature = 2.0
    config.epochs = 3.0
    config.batch.size = 512
    config.batch.length = 1024
    config.data.train = "rows"
    config.data.document = "block"
    config.checkpoint.every_steps = 200
    config.eval.every_steps = 200
    return config
