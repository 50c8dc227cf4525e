import pytest

from distil_jax.errors import UserError
from distil_jax.training.parallel import shares


def test_shares() -> None:
    divided = shares(64, 4, 8)
    assert (divided.device_rows, divided.micro_rows, divided.micro_batches) == (8, 4, 2)
    assert shares(64, 0, 8).micro_batches == 1


def test_rows_that_do_not_divide_by_devices_name_the_nearest_that_do() -> None:
    with pytest.raises(UserError, match=r"size=250 .* 8 devices; set it to 248 or 256"):
        shares(250, 0, 8)


def test_fewer_rows_than_devices_name_the_one_that_fits() -> None:
    with pytest.raises(UserError, match=r"size=3 .* 8 devices; set it to 8$"):
        shares(3, 0, 8)


def test_rows_that_are_compared_with_each_other_stay_on_one_device() -> None:
    assert shares(64, 0, 4, group_rows=8).device_rows == 16
    with pytest.raises(UserError, match=r"=16 over 4 devices is 4 rows .* the 8 .*size to 32, or"):
        shares(16, 0, 4, group_rows=8)


def test_micro_batches_that_do_not_divide_name_all_numbers() -> None:
    with pytest.raises(
        UserError, match=r"=96 over 8 devices is 12 rows .*micro_size=5 .* 80 or 120 .* 4 or 6"
    ):
        shares(96, 5, 8)
