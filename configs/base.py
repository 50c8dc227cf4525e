"""Every key of a run, with its default and what it means; the other configs are deltas of this one.

A value is changed on the command line with `--config.KEY=VALUE`, for example
`--config.batch.sequences=256 --config.loss.temperature=3.0`. Keys cannot be added there.
"""

from ml_collections import ConfigDict

from distil_jax.configuration.loss import complete


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    # How long: optimizer steps, or, where total_steps is 0, passes over the training rows.
    config.total_steps = 0
    config.epochs = 3.0

    # A model folder, a hub id, or builtin:teacher. Empty: no teacher, the student is pretrained
    # with the masked-LM loss alone (loss.soft_target and loss.cosine must then be 0).
    config.teacher = "builtin:teacher"
    # The tokenizer's folder; empty: the teacher's own.
    config.tokenizer = ""

    config.student = ConfigDict()
    # Which teacher layers the student starts from: every_other (0, 2, 4, ...), original (0, 2, 4,
    # 7, 9, 11, twelve layers only), evenly_spaced, first, last, a number of layers spread evenly
    # ("4"), or a list ("0,3,5"). Their number is the student's depth.
    config.student.layers = "every_other"
    # teacher: weights from the teacher's layers; random: BERT's initialisation at the same shape.
    config.student.initialize = "teacher"
    # An existing student folder to go on from; empty: made from the teacher.
    config.student.folder = ""
    # Fold token-type row 0 into the positions, so that the student's embeddings equal the
    # teacher's exactly. False copies the positions alone, as the original code did.
    config.student.fold_token_types = True
    # Copy the teacher's table of token types instead, and fold nothing: the student is then a
    # smaller BERT rather than a DistilBERT, and can tell the two texts of a pair apart.
    config.student.keep_token_types = False
    # Copy the teacher's MLM transform as well as its decoder.
    config.student.copy_head = True
    # Parameters that stay as they are: none, positions (the original's recipe), or embeddings
    # (tokens, positions, token types and their LayerNorm).
    config.student.freeze = "none"
    # Dropout of hidden states and of attention weights while training; the teacher has none.
    config.student.dropout = 0.1
    config.student.attention_dropout = 0.1
    # The shape of a model made from nothing; used without a teacher only.
    config.student.architecture = ConfigDict()
    config.student.architecture.layers = 6
    config.student.architecture.width = 256
    config.student.architecture.heads = 4
    config.student.architecture.inner_width = 1024
    config.student.architecture.positions = 512
    config.student.architecture.token_types = 2

    config.loss = ConfigDict()
    # Weights of the losses; those of the released DistilBERT. A weight of 0 removes the loss.
    config.loss.soft_target = 5.0
    config.loss.masked_lm = 2.0
    config.loss.cosine = 1.0
    # Squared distance of the logits, an option of the original.
    config.loss.logit_mse = 0.0
    config.loss.temperature = 2.0
    # Weights and temperature by share of the run, linear between, in place of the constants above:
    # "0:4, 0.5:2, 1:1" goes from 4 over 2 to 1. Held-out losses keep the constants, so that they
    # compare between steps.
    config.loss.schedules = ConfigDict()
    config.loss.schedules.soft_target = ""
    config.loss.schedules.masked_lm = ""
    config.loss.schedules.cosine = ""
    config.loss.schedules.logit_mse = ""
    config.loss.schedules.temperature = ""
    # Where soft target and logit_mse count: all tokens of a sequence, or the masked ones only.
    config.loss.positions = "all"
    # Tokens whose logits exist at one time.
    config.loss.chunk = 512
    # Weight, schedule and options of every other objective that is registered.
    complete(config.loss)

    config.data = ConfigDict()
    # A folder made by `distil_jax.prepare`, or text that `prepare` reads (builtin:docs, files,
    # globs, hub ids), which is then prepared in the workdir first.
    config.data.train = "builtin:docs"
    # A prepared folder, or text, all of it then held out; empty: the held-out share of `train`.
    config.data.validation = ""
    # Used when text is prepared here: a document is a line or a blank-line block; held-out share.
    config.data.document = "line"
    config.data.heldout = 0.01

    config.masking = ConfigDict()
    # Percent of each row's ordinary tokens, rounded up; of those, percent replaced by [MASK] and by
    # a random token.
    config.masking.percent = 15
    config.masking.mask_percent = 80
    config.masking.random_percent = 10
    # Draw a token with weight count ** -power (the original: 0.7); 0 draws uniformly.
    config.masking.frequency_power = 0.0

    config.batch = ConfigDict()
    # Rows of one optimizer step over all devices; each device's share follows from their number.
    config.batch.sequences = 256
    # Tokens of a row, where text is prepared here.
    config.batch.length = 128
    # Rows a device computes at one time; 0: its whole share. Smaller needs less memory, and changes
    # nothing else: gradients are accumulated exactly.
    config.batch.micro = 0

    config.optimizer = ConfigDict()
    config.optimizer.learning_rate = 5e-4
    # linear or cosine, down to 0 at the last step, after a linear warm-up over a share of the
    # steps.
    config.optimizer.schedule = "linear"
    config.optimizer.warmup = 0.05
    config.optimizer.beta1 = 0.9
    config.optimizer.beta2 = 0.98
    config.optimizer.epsilon = 1e-6
    # Not applied to biases and LayerNorms.
    config.optimizer.weight_decay = 0.0
    # Largest global norm of the gradient; 0: not clipped.
    config.optimizer.clip = 5.0

    config.precision = ConfigDict()
    # float32 or bfloat16: products and activations, master parameters and optimizer state, and
    # everything of the teacher.
    config.precision.compute = "float32"
    config.precision.parameters = "float32"
    config.precision.teacher = "float32"

    config.parallel = ConfigDict()
    # jit: jit(shard_map) over a mesh; pmap: the same body under pmap.
    config.parallel.mode = "jit"
    # Devices used; 0: all there are.
    config.parallel.devices = 0
    # Layers in a compiled loop: auto (accelerators), on, off.
    config.parallel.scan_layers = "auto"
    # Recomputed in the backward pass: none, attention, layer.
    config.parallel.rematerialise = "none"

    config.processes = ConfigDict()
    # Several processes: HOST:PORT of process 0, or auto where JAX detects them (TPU pods, Slurm,
    # GKE); how many; and which this is, from 0. Empty, 0 and -1: as $JAX_COORDINATOR_ADDRESS,
    # $JAX_NUM_PROCESSES and $JAX_PROCESS_ID say, and without these one process alone.
    config.processes.coordinator = ""
    config.processes.count = 0
    config.processes.index = -1
    # How long to wait for the others at the start, and after how long a silent one counts as lost.
    config.processes.join_seconds = 300
    config.processes.lost_seconds = 30

    config.profile = ConfigDict()
    # A trace of these steps, the first and the last, goes to the workdir's profile/; 0: none.
    config.profile.first = 0
    config.profile.last = 0

    config.checkpoint = ConfigDict()
    config.checkpoint.every_steps = 1000
    # How many of the latest, and how many of those with the lowest validation loss, are kept.
    config.checkpoint.keep = 2
    config.checkpoint.keep_best = 1
    # Let a run go on with another batch.sequences, or with rows of another length. It goes on in
    # the data where it was (rows read; for other rows: share of the epoch). Steps done stay done:
    # schedules go on at the share of the new number of steps, total_steps, or what is left of
    # epochs at the new batch.
    config.checkpoint.allow_batch_change = False

    config.eval = ConfigDict()
    config.eval.every_steps = 1000
    # Rows of one validation batch over all devices; 0: as many as a training step computes at once.
    config.eval.sequences = 0

    config.log = ConfigDict()
    config.log.every_steps = 10
    config.log.tensorboard = True
    return config.lock()
