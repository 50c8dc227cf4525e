import pytest

from distil_jax.data.prose import is_prose, paragraphs

NUMPY = """
Return the mean of the values, which is their sum divided by how many there are.

.. versionadded:: 1.7.0

Parameters
----------
values : array_like, optional
    The numbers of which the mean is wanted, in any shape that you like.
axis : int

Examples
--------
>>> mean([1, 2, 3]) # this is not one of the sentences that we would like to keep
2.0

See `the guide <https://example.org/guide>`_ and :func:`~numpy.sum` for **all** of the details.

.. code-block:: python

    the = "code that is in a block of the documentation and not any prose at all"

Notes::

    this literal block is also left out of the text that we want to have
"""
GOOGLE = """Opens the file and returns it to the caller, who has to close it again.

    Args:
        path (str): Where the file is on the disk, or the number of an open one,
            which is then used as it is.
        mode: How it is to be opened by this function.

    ```python
    open("this is a piece of code and it is not a sentence of the text")
    ```

    * The first of the points that are made in this list of things.
    * The second of the points that are made in this list of things.

    | a table | with the | cells that are not | prose of any kind |
"""


def test_numpy_docstring():
    assert paragraphs(NUMPY) == [
        "Return the mean of the values, which is their sum divided by how many there are.",
        "The numbers of which the mean is wanted, in any shape that you like.",
        "See the guide and numpy.sum for all of the details.",
    ]


def test_google_docstring():
    assert paragraphs(GOOGLE) == [
        "Opens the file and returns it to the caller, who has to close it again.",
        "Where the file is on the disk, or the number of an open one, which is then used as it is.",
        "How it is to be opened by this function.",
        "The first of the points that are made in this list of things.",
        "The second of the points that are made in this list of things.",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Too short to be kept.",
        "x = [1, 2, 3]; y = {a: b for a, b in the(x)}; if is_it(y): return the",
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu",
        "Dies ist ein deutscher Satz mit genug Wörtern, der nicht bleiben darf.",
    ],
)
def test_what_is_not_english_prose_goes(text: str):
    assert not is_prose(text)


def test_any_text_is_survived():
    for text in ("", "::", "```", "..", ">>>", "====\n----", "\x00\n\t- ", "[](", "`" * 7):
        assert paragraphs(text) == []
