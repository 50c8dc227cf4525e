"""The keys of a run, their defaults and what they mean; the other configs are deltas of this one.

What a single objective has of its own stands in distil_jax/configuration/objective_table.py.

A value is changed on the command line with `--config.KEY=VALUE`, for example
`--config.batch.size=256 --config.loss.temperature=3.0`. Keys cannot be added there.

A key that is `free` may be changed when a run is resumed. `was` is its name in earlier versions.
"""

from ml_collections import ConfigDict

from distil_jax.configuration.config_dict import new_config
from distil_jax.configuration.key import Key
from distil_jax.configuration.optimizer_table import OPTIMIZERS, SCHEDULES

KEYS = (
    Key(
        "seed",
        0,
        "Of masks, the order of rows, dropout, and random weights.",
        at_least=0,
        at_most=2**32 - 1,
    ),
    Key("total_steps", 0, "Optimizer steps of the run; 0: as many as epochs take.", at_least=0),
    Key("epochs", 3.0, "Passes over the training rows, where total_steps is 0.", at_least=0),
    Key(
        "teacher",
        "builtin:teacher",
        "A model folder, a hub id, or builtin:teacher. Empty: no teacher, the student is "
        "pretrained with the masked-LM loss alone (losses that need a teacher must then be 0).",
        free=True,
    ),
    Key(
        "teachers",
        "",
        "Several teachers in place of one, as FOLDER=WEIGHT,FOLDER=WEIGHT: their probabilities are "
        "averaged. The student starts from the first.",
        free=True,
    ),
    Key(
        "teacher_of",
        "",
        "Which of several teachers an objective of hidden states compares with, as "
        "OBJECTIVE=NUMBER,...; from 0, which is what the others compare with.",
    ),
    Key(
        "targets",
        "",
        "A folder that `distil_jax.cache` made of the teacher's outputs: the run holds no teacher. "
        "Empty: the teacher runs along.",
        free=True,
    ),
    Key("tokenizer", "", "The tokenizer's folder; empty: the teacher's own.", free=True),
    # The student, from its teacher, from a folder, or from nothing.
    Key(
        "student.layers",
        "every_other",
        "Which teacher layers the student starts from: every_other (0, 2, 4, ...), original (0, 2, "
        "4, 7, 9, 11, twelve layers only), evenly_spaced, first, last, a number of layers spread "
        'evenly ("4"), or a list ("0,3,5"). Their number is the student\'s depth.',
    ),
    Key(
        "student.initialize",
        "teacher",
        "teacher: weights from the teacher's layers; random: BERT's initialisation at the same "
        "shape. Of a narrower student, teacher is prune: dimensions, heads and neurons are chosen "
        "and the maps fitted on the training rows; slice takes the first of each; svd the "
        "strongest singular vectors.",
        choices=("teacher", "random", "prune", "slice", "svd"),
    ),
    Key(
        "student.hidden_size",
        0,
        "Narrower than the teacher; 0: as wide. Losses that compare last hidden states as they are "
        "(cosine) must then be 0.",
        at_least=0,
    ),
    Key(
        "student.heads",
        0,
        "Attention heads; 0: heads of the teacher's size, or as many where that does not divide.",
        at_least=0,
    ),
    Key(
        "student.mlp_size",
        0,
        "Size of the feed-forward blocks; 0: in proportion to the hidden size.",
        at_least=0,
    ),
    Key(
        "student.folder",
        "",
        "An existing student folder to continue from; empty: initialised from the teacher.",
        free=True,
    ),
    Key(
        "student.fold_token_types",
        True,
        "Fold token-type row 0 into the positions, so that the student's embeddings equal the "
        "teacher's exactly. False copies the positions alone, as the original code did.",
    ),
    Key(
        "student.keep_token_types",
        False,
        "Copy the teacher's table of token types instead, and fold nothing: the student is then a "
        "smaller BERT rather than a DistilBERT, and distinguishes the two texts of a pair.",
    ),
    Key(
        "student.vocabulary",
        "",
        "Tokens of the student: a number (special tokens, single characters and the most frequent "
        "of config.data.train, which must be text), a file that lists them, or the folder of a "
        "tokenizer that prune_vocabulary wrote; empty: the teacher's. Soft targets compare the "
        "kept tokens, and all others as one with the unknown token (padding where there is none).",
    ),
    Key("student.copy_head", True, "Copy the teacher's MLM transform as well as its decoder."),
    Key(
        "student.freeze",
        "none",
        "Parameters that stay as they are: none, positions (the original's recipe), or embeddings "
        "(tokens, positions, token types and their LayerNorm).",
        choices=("none", "positions", "embeddings"),
    ),
    Key(
        "student.dropout",
        0.1,
        "Dropout of hidden states while training; the teacher has none.",
        at_least=0,
        at_most=0.99,
    ),
    Key(
        "student.attention_dropout",
        0.1,
        "Dropout of attention weights while training; the teacher has none.",
        at_least=0,
        at_most=0.99,
    ),
    Key(
        "student.quantize_from",
        1.0,
        "Share of the run after which the student learns with weights and activations rounded as "
        "in int8 (fake quantisation, gradients straight through), so that `export --quantize=int8` "
        "loses less; 0: all of it, 1: none. The saved weights and the validation stay in float.",
        at_least=0,
        at_most=1,
    ),
    # The shape of a randomly initialised model; used without a teacher only.
    Key("student.architecture.layers", 6, "Layers of a randomly initialised model.", at_least=1),
    Key(
        "student.architecture.hidden_size",
        256,
        "Its hidden size.",
        at_least=1,
        was="student.architecture.width",
    ),
    Key("student.architecture.heads", 4, "Its attention heads.", at_least=1),
    Key(
        "student.architecture.mlp_size",
        1024,
        "The size of its feed-forward blocks.",
        at_least=1,
        was="student.architecture.inner_width",
    ),
    Key("student.architecture.positions", 512, "Its positions.", at_least=3),
    Key("student.architecture.token_types", 2, "Its token types; 0: no table.", at_least=0),
    # Weights of the losses; those of the released DistilBERT. A weight of 0 removes the loss.
    Key(
        "loss.soft_target",
        5.0,
        "Weight of the teacher's tempered distributions (Hinton et al. 2015).",
        at_least=0,
    ),
    Key("loss.masked_lm", 2.0, "Weight of the masked tokens' cross-entropy.", at_least=0),
    Key("loss.cosine", 1.0, "Weight of the last hidden states' cosine distance.", at_least=0),
    Key(
        "loss.logit_mse",
        0.0,
        "Weight of the squared distance of the logits, an option of the original.",
        at_least=0,
    ),
    # Intermediate layers; their options (layer maps, relation heads, projections) are keys
    # loss.options.NAME.KEY, declared in configuration/objective_table.py: docs/objectives.md.
    Key("loss.relations", 0.0, "Weight of one layer's self-attention relations.", at_least=0),
    Key("loss.hidden_mse", 0.0, "Weight of mapped layers' hidden states.", at_least=0),
    Key("loss.hidden_cosine", 0.0, "Weight of mapped layers' cosine distance.", at_least=0),
    Key("loss.patient", 0.0, "Weight of the first tokens' normalised states.", at_least=0),
    Key("loss.attention_mse", 0.0, "Weight of mapped layers' attention scores.", at_least=0),
    Key("loss.temperature", 2.0, "What the logits of the soft targets are divided by.", above=0),
    # By share of the run, linear between, in place of the constants above: "0:4, 0.5:2, 1:1" goes
    # from 4 over 2 to 1. Validation losses keep the constants, so that they compare between steps.
    Key("loss.schedules.soft_target", "", "Schedule of the weight: SHARE:VALUE, SHARE:VALUE, ..."),
    Key("loss.schedules.masked_lm", "", "Schedule of the weight."),
    Key("loss.schedules.cosine", "", "Schedule of the weight."),
    Key("loss.schedules.logit_mse", "", "Schedule of the weight."),
    Key("loss.schedules.temperature", "", "Schedule of the temperature."),
    Key(
        "loss.positions",
        "all",
        "Where soft target and logit_mse count: all tokens of a sequence, or the masked ones only.",
        choices=("all", "masked"),
    ),
    Key(
        "loss.chunk",
        0,
        "Most tokens whose logits exist at one time; 0: what suits the platform and the vocabulary "
        "(of 30,522 tokens 4,096 on a GPU, 8,192 on a TPU; 512 on a CPU).",
        at_least=0,
        free=True,
    ),
    # The text, or the rows that `distil_jax.prepare` made of it.
    Key(
        "data.train",
        "builtin:docs",
        "A folder made by `distil_jax.prepare`, or text that `prepare` reads (builtin:docs, files, "
        "globs, hub ids), which is then prepared in the workdir first.",
        free=True,
    ),
    Key(
        "data.validation",
        "",
        "A prepared folder, or text, all of it for validation; empty: the held-out share of train.",
        free=True,
    ),
    Key(
        "data.document",
        "line",
        "Where text is prepared here: a document is a line or a blank-line block.",
        choices=("line", "block"),
    ),
    Key("data.heldout", 0.01, "Where text is prepared here: the held-out share of the documents."),
    Key(
        "data.column",
        "text",
        "Where text is prepared here: the text column of records; two with a comma are pairs, for "
        "config.loss.contrastive.",
    ),
    Key(
        "data.shortest_tokens",
        12,
        "Where text is prepared here: shorter sequences are left out.",
        at_least=1,
    ),
    # Masking, anew in every epoch.
    Key(
        "masking.percent",
        15,
        "Percent of each row's ordinary tokens that are masked, rounded up.",
        at_least=1,
        at_most=100,
    ),
    Key(
        "masking.mask_percent",
        80,
        "Of those, percent replaced by [MASK].",
        at_least=0,
        at_most=100,
    ),
    Key(
        "masking.random_percent",
        10,
        "Of those, percent replaced by a random token.",
        at_least=0,
        at_most=100,
    ),
    Key(
        "masking.frequency_power",
        0.0,
        "Draw a token with weight count ** -power (the original: 0.7); 0 draws uniformly.",
        at_least=0,
    ),
    Key(
        "masking.epochs",
        0,
        "Masks are drawn in so many epochs, and then come again; 0: anew in every epoch.",
        at_least=0,
    ),
    # The batch of one optimizer step.
    Key(
        "batch.size",
        256,
        "Rows of one optimizer step over all devices; each device's share follows from their "
        "number.",
        at_least=1,
        was="batch.sequences",
    ),
    Key("batch.length", 128, "Tokens of a row, where text is prepared here.", at_least=3),
    Key(
        "batch.micro_size",
        0,
        "Rows a device computes at one time; 0: its whole share. Smaller needs less memory, and "
        "changes nothing else: gradients are accumulated exactly.",
        at_least=0,
        free=True,
        was="batch.micro",
    ),
    Key(
        "optimizer.name",
        "adamw",
        "adamw; lion (a third of its rate or less); adafactor (little memory); or muon, which "
        "orthogonalises the updates of the layers' matrices. Rates mean the same for all but lion.",
        choices=OPTIMIZERS.keys(),
    ),
    Key("optimizer.learning_rate", 5e-4, "The highest, after the warm-up.", above=0),
    Key(
        "optimizer.schedule",
        "linear",
        "linear or cosine, down to 0 at the last step; constant; or wsd (warm-up, stable, decay): "
        "constant, then linear down to 0.",
        choices=SCHEDULES.keys(),
    ),
    Key(
        "optimizer.warmup",
        0.05,
        "Share of the steps in which the rate rises from 0.",
        at_least=0,
        at_most=1,
    ),
    Key(
        "optimizer.decay",
        0.2,
        "wsd: share of the steps, the last ones, in which the rate falls to 0.",
        at_least=0,
        at_most=1,
    ),
    Key(
        "optimizer.beta1",
        0.9,
        "Decay of the gradient's mean (adamw, lion).",
        at_least=0,
        at_most=0.9999999,
    ),
    Key(
        "optimizer.beta2",
        0.98,
        "Decay of the squared gradient's mean (lion: of the gradient's).",
        at_least=0,
        at_most=0.9999999,
    ),
    Key("optimizer.epsilon", 1e-6, "Added to the root of that mean.", above=0),
    Key(
        "optimizer.weight_decay",
        0.0,
        "Times the rate; not applied to biases and LayerNorms.",
        at_least=0,
    ),
    Key(
        "optimizer.clip",
        5.0,
        "Largest global norm of the gradient; 0: not clipped.",
        at_least=0,
    ),
    Key(
        "precision.compute",
        "float32",
        "Of matmuls and activations; auto: bfloat16 where the hardware multiplies it faster.",
        choices=("float32", "bfloat16", "auto"),
    ),
    Key(
        "precision.parameters",
        "float32",
        "Of the master parameters.",
        choices=("float32", "bfloat16"),
    ),
    Key(
        "precision.teacher",
        "float32",
        "Of everything of the teacher; auto as for compute.",
        choices=("float32", "bfloat16", "auto"),
    ),
    Key(
        "parallel.mode",
        "jit",
        "jit: jit(shard_map) over a mesh; pmap: the same body under pmap.",
        choices=("jit", "pmap"),
        free=True,
    ),
    Key("parallel.devices", 0, "Devices used; 0: all there are.", at_least=0, free=True),
    Key(
        "parallel.scan_layers",
        "auto",
        "Layers in a compiled loop: auto (TPUs; GPUs if more than 12), on, off.",
        choices=("auto", "on", "off"),
        free=True,
    ),
    Key(
        "parallel.remat",
        "none",
        "Recomputed in the backward pass: none, attention, layer.",
        choices=("none", "attention", "layer"),
        free=True,
        was="parallel.rematerialise",
    ),
    Key(
        "parallel.attention",
        "plain",
        "plain; kernel: on GPUs and TPUs, without a [length, length] array of each row; auto: "
        "kernel in bfloat16 where it compiles and gives what the plain code does, else plain.",
        choices=("plain", "auto", "kernel"),
        free=True,
    ),
    # Several processes. Empty, 0 and -1: as $JAX_COORDINATOR_ADDRESS, $JAX_NUM_PROCESSES and
    # $JAX_PROCESS_ID say, and without these one process alone.
    Key(
        "processes.coordinator",
        "",
        "HOST:PORT of process 0, or auto where JAX detects it (TPU pods, Slurm, GKE).",
        free=True,
    ),
    Key("processes.count", 0, "How many processes there are.", at_least=0, free=True),
    Key("processes.index", -1, "Which of them this is, from 0.", at_least=-1, free=True),
    Key(
        "processes.join_seconds",
        300,
        "How long to wait for the others at the start.",
        at_least=1,
        free=True,
    ),
    Key(
        "processes.lost_seconds",
        30,
        "After how long a silent process counts as lost.",
        at_least=2,
        free=True,
    ),
    Key(
        "profile.first",
        0,
        "The first step of a trace that goes to the workdir's profile/; 0: none.",
        at_least=0,
        free=True,
    ),
    Key("profile.last", 0, "The last step of that trace; 0: none.", at_least=0, free=True),
    Key(
        "checkpoint.every_steps",
        1000,
        "Steps from one checkpoint to the next.",
        at_least=1,
        free=True,
    ),
    Key("checkpoint.keep", 2, "How many of the latest are kept.", at_least=1, free=True),
    Key(
        "checkpoint.keep_best",
        1,
        "How many of those with the lowest validation loss are kept besides.",
        at_least=0,
        free=True,
    ),
    Key(
        "checkpoint.allow_batch_change",
        False,
        "Let a run resume with another batch.size, or with rows of another length. It resumes in "
        "the data where it was (rows read; for other rows: share of the epoch). Steps done stay "
        "done: schedules continue at the share of the new number of steps, total_steps, or what is "
        "left of epochs at the new batch.",
        free=True,
    ),
    Key("eval.every_steps", 1000, "Steps from one validation to the next.", at_least=1, free=True),
    Key(
        "eval.batch_size",
        0,
        "Rows of one validation batch over all devices; 0: as many as a training step computes at "
        "once.",
        at_least=0,
        free=True,
        was="eval.sequences",
    ),
    Key("log.every_steps", 10, "Steps from one logged line to the next.", at_least=1, free=True),
    Key("log.tensorboard", True, "Write TensorBoard files, too.", free=True),
)


def get_config() -> ConfigDict:
    """All keys with their defaults; locked, so that a misspelt one is an error."""
    return new_config(KEYS)
