"""The paper's experiment on real text and tasks, from text to tables; docs/study.md has them.

    python benchmarks/study.py --size=cpu --model=builtin:teacher --text='TEXT/*' \\
        --heldout=HELDOUT_TEXT --tasks=TASKS --output=STUDY

TEXT is the corpus (documents are blocks of lines), HELDOUT_TEXT is never trained on, TASKS has one
folder for each task with train and validation files. A model with a masked-LM head is the teacher
as it is; an encoder without one, such as MiniLM, first gets a head and is trained with it. Every
step is one of the package's commands, or the script beside this one; what is finished is kept:
the same command resumes it, and --until=STEP ends early. With --jobs=N the programs of
all steps run N at a time, each once what it reads is there. At any time STUDY/study.json and
study.md hold what there is. The sizes stand in `study_sizes.py`.
"""

import argparse
import os
from pathlib import Path

import jax
from study_programs import Programs, run_to_end
from study_sizes import SIZES
from study_steps import STEPS, Study
from study_table import write_tables
from study_tasks import add_flags

from distil_jax import commandline


def main(arguments):
    flags = parser().parse_args(arguments)
    # The accelerator is for the programs; here models are only looked at.
    jax.config.update("jax_platforms", "cpu")
    if flags.jobs > 1:
        # Several programs on one GPU: none takes its whole memory.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    programs = Programs(flags.output / "hours.jsonl", several=flags.jobs > 1)
    study = Study(flags, programs)
    steps = study.steps()
    wanted = STEPS[: STEPS.index(flags.until) + 1] if flags.until else STEPS
    jobs = [job for step in wanted for job in steps[step]]
    run_to_end(programs, jobs, lambda: write_tables(flags.output), lanes=flags.jobs)


def parser():
    parser = commandline.Parser(prog="python benchmarks/study.py", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--size", required=True, choices=SIZES, help="how much is done: study_sizes.py")
    add("--model", required=True, help="model folder, hub id or builtin:teacher")
    corpus = parser.add_mutually_exclusive_group(required=True)
    corpus.add_argument("--text", help="what the corpus is made of, as `prepare` reads it")
    corpus.add_argument("--rows", type=Path, help="rows of 128 tokens that `prepare` made of it")
    add("--heldout", required=True, help="text that is never trained on")
    add_flags(parser)
    add("--until", choices=STEPS, help="the last step that is done")
    return parser


if __name__ == "__main__":
    commandline.run(main)
