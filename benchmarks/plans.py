"""Plan every shipped config that names a TPU; `--write` puts the results into their headers.

    python benchmarks/plans.py [--write]       # needs `pip install -e '.[tpu]'`, no TPU

Ends with exit status 1 where a config does not compile or fit, or where its header says something
else. Compiled figures are kept in the user's cache folder: only what changed is compiled again.
"""

import argparse
import ast
import textwrap
from pathlib import Path

from distil_jax import commandline
from distil_jax.configuration import source as config_source
from distil_jax.errors import UserError
from distil_jax.planning import topologies
from distil_jax.planning.model_shapes import model_shapes
from distil_jax.planning.plan_text import HEADER, planned_topology, summary
from distil_jax.planning.run_plan import plan_run, workload_of

CONFIGS = Path(__file__).parents[1] / "configs"
WIDTH = 100


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true")
    known = parser.parse_args(arguments)
    stale = []
    for path in sorted(CONFIGS.glob("[!_]*.py")):
        header = ast.get_docstring(ast.parse(path.read_text())) or ""
        name = planned_topology(header)
        if name is None:
            continue
        said = planned(path, name)
        print(f"{path.stem}: {said}", flush=True)
        if said not in " ".join(header.split()):
            stale.append(path.stem)
            if known.write:
                path.write_text(with_plan(path.read_text(), said))
    if stale and not known.write:
        raise UserError(f"the headers of {', '.join(stale)} say something else; use --write")


def planned(path: Path, name: str) -> str:
    """The plan of one config in a line; raises `UserError` where it does not fit."""
    config = config_source.read(str(path), [])
    models, workload = model_shapes(config), workload_of(config, None)
    plan = plan_run(config, models, topologies.find(name), workload, search=False)
    if not plan.fits:
        raise UserError(f"{path.stem} does not fit {name}: {plan.measured.memory}")
    return summary(plan)


def with_plan(text: str, said: str) -> str:
    """The file with the paragraph of its plan replaced."""
    start = HEADER.search(text).start()
    ends = [at for at in (text.find("\n\n", start), text.find('\n"""', start)) if at > 0]
    return text[:start] + textwrap.fill(said, WIDTH) + text[min(ends) :]


if __name__ == "__main__":
    commandline.run(main)
