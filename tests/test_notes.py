from distil_jax.notes import note


def test_a_note_is_one_line_and_said_once(capsys):
    for _ in range(2):
        note("a thing of\n this test alone")
    assert capsys.readouterr().err == "note: a thing of this test alone\n"
