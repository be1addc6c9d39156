"""Checks of the radiomics recipes that a study names, against the images they are for."""

from __future__ import annotations

from pathlib import Path

# What a recipe's ``image`` may say, and the image of the configuration that it means.
MEANT = {
    "vbmd": "vbmd",
    "hu": "ct",
    "ct": "ct",
    "pdff": "pdff",
    "r2star": "r2star",
    "r2*": "r2star",
    "t2star": "t2star",
    "t2*": "t2star",
    "t2": "t2",
    "t1w": "t1w",
    "t2w": "t2w",
}


def recipe_problems(path: Path, image: str) -> list[str]:
    """Mistakes of one recipe, each in a sentence.

    Parameters
    ----------
    path
        The recipe.
    image
        Image of the configuration that it is named for: range and bins of one map mean nothing on
        another, and weighted images need a normalisation that a map must not have.
    """
    # Loaded here: parsing the workflow needs no more than the names.
    from pydantic import ValidationError

    from osteoflow.radiomics.settings import read_settings

    try:
        recipe = read_settings(path)
    except ValidationError as error:
        return [
            f"{'.'.join(map(str, e['loc']))}: {e['msg'].removeprefix('Value error, ')}".lstrip(": ")
            for e in error.errors()
        ]
    except (OSError, ValueError) as error:
        return [str(error)]
    meant = MEANT.get(recipe.image.lower())
    if meant is None:
        return [f"image: '{recipe.image}' is none of {', '.join(dict.fromkeys(MEANT.values()))}"]
    if meant != image:
        return [f"image: the recipe is for '{recipe.image}', not for {image}"]
    return []
