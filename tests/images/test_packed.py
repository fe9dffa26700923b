"""Packed maps, read piece by piece."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from nistats_nipype.exceptions import InputError
from nistats_nipype.images.packed import PackedMaps

N, V = 5, 20_000


@pytest.fixture(params=['<f4', '>f8'])
def array(request):
    return np.random.default_rng(2).standard_normal((N, V)).astype(request.param)


@pytest.fixture
def packed(array, tmp_path):
    np.save(tmp_path / 'maps.npy', array)
    return PackedMaps(tmp_path / 'maps.npy')


POINTS = {
    'all': slice(None),
    'a slice': slice(7, 1900),
    'neighbours': np.arange(300, 4000),
    'with small gaps': np.arange(3, 9000, 7),
    'with long gaps': np.array([0, 1, 2, 5000, 5003, V - 1]),
    'one': np.array([V - 1]),
    'none': np.array([], dtype=np.intp),
}


@pytest.mark.parametrize('points', POINTS.values(), ids=POINTS)
@pytest.mark.parametrize('rows', [slice(None), slice(1, 4), np.array([4, 0, 2])])
def test_pieces_are_those_of_the_array(array, packed, rows, points):
    expected = array[rows][:, points]
    np.testing.assert_array_equal(packed[rows, points], expected, strict=True)
    if not isinstance(points, slice):
        rows = np.arange(N)[rows]
        np.testing.assert_array_equal(packed[np.ix_(rows, points)], expected, strict=True)


def test_rows_and_the_whole(array, packed):
    assert (packed.shape, len(packed), packed.dtype) == (array.shape, N, array.dtype)
    np.testing.assert_array_equal(list(packed), array)
    np.testing.assert_array_equal(packed[-1], array[-1])
    np.testing.assert_array_equal(np.asarray(packed), array, strict=True)
    assert np.asarray(packed, dtype=np.float32).dtype == np.float32
    with pytest.raises(IndexError):
        packed[N]
    with pytest.raises(ValueError, match='without a copy'):
        packed.__array__(copy=False)


def test_what_is_read_can_be_written_to(array, packed):
    packed[:, 0:10][:] = 0.0
    np.testing.assert_array_equal(packed[:, 0:10], array[:, :10])


def test_threads_may_share_a_file(array, packed):
    blocks = [np.arange(low, low + 100) for low in range(0, V, 100)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda points: packed[:, points], blocks))
    np.testing.assert_array_equal(np.concatenate(found, axis=1), array)


def test_a_file_that_is_cut_off_meanwhile_is_no_data(packed):
    with open(packed.path, 'r+b') as stream:
        stream.truncate(200)
    with pytest.raises(InputError, match='can no longer be read') as caught:
        packed[N - 1]
    assert caught.value.found == f'0 bytes where {V * packed.dtype.itemsize} were there before'


def test_an_array_in_another_order_is_refused(array, tmp_path):
    np.save(tmp_path / 'maps.npy', np.asfortranarray(array))
    with pytest.raises(InputError, match='does not hold packed maps') as caught:
        PackedMaps(tmp_path / 'maps.npy')
    assert caught.value.found == 'an array in Fortran order'


def test_what_was_read_does_not_stay_in_memory(tmp_path):
    path, size = tmp_path / 'maps.npy', (400, 250_000)
    np.lib.format.open_memmap(path, mode='w+', dtype='<f4', shape=size).flush()
    code = f"""
        import numpy as np
        from nistats_nipype.images.packed import PackedMaps
        def resident(which):
            lines = open('/proc/self/status').read().splitlines()
            return int(next(line for line in lines if line.startswith(which)).split()[1])
        packed = PackedMaps({str(path)!r})
        before = resident('VmRSS')
        for row in packed:
            row.sum()
        for low in range(0, packed.shape[1], 1000):
            packed[:, low:low + 1000].sum()
        print(resident('VmHWM') - before)
    """
    if not sys.platform.startswith('linux'):
        pytest.skip('asks /proc for the memory of a process')
    code = re.sub(r'^ {8}', '', code, flags=re.MULTILINE)
    run = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    # Two blocks of 1.6 MB, and what the allocator keeps, of 400 MB.
    assert int(run.stdout) < 12_000
