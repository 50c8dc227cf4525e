"""What each part of the recipe is worth: the paper's Table 4 and choices of layers."""

from distil_jax.report import ablations
from distil_jax.report.document import Missing, Picture, Pictures, Section
from distil_jax.report.material import Material

TITLE = "Change of the held-out MLM loss: median, and lowest to highest seed"


def section(material: Material) -> Section | Missing | None:
    """A table and bars for each sweep."""
    if not material.ablations:
        return Missing(
            "What each loss, the initialisation and the choice of layers are worth",
            "python -m distil_jax.ablate --config=ablation --output=ABLATIONS",
        )
    blocks: list = []
    for number, content in enumerate(material.ablations):
        name = f"ablations_{number}" if number else "ablations"
        told = ablations.describe(content)
        picture = Picture(name, TITLE, told, ablations.draw(content))
        blocks += [ablations.table(content), Pictures([picture])]
    return Section("ablations", "Ablations", blocks)
