import gzip
import subprocess
import sys
import textwrap
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from nistats_nipype.exceptions import GridError, InputError, OutputError
from nistats_nipype.images import volumes
from nistats_nipype.images.volumes import Volume

RNG = np.random.default_rng(20)
DATA = RNG.standard_normal((4, 5, 6)).astype(np.float32)


def test_load_reads_what_nibabel_wrote(write_map, affine):
    volume = volumes.load_volume(write_map(DATA))
    np.testing.assert_array_equal(volume.data, DATA, strict=True)
    np.testing.assert_array_equal(volume.affine, affine)
    assert volume.data.flags.c_contiguous
    assert volume.data.flags.writeable


def test_load_reads_both_files_of_a_big_endian_pair(tmp_path, affine):
    image = nib.Nifti1Pair(DATA[..., None].astype('>f4'), affine)
    nib.save(image, tmp_path / 'con.img')
    for name in ('con.img', 'con.hdr'):
        volume = volumes.load_volume(tmp_path / name)
        np.testing.assert_array_equal(volume.data, DATA, strict=True)


def test_load_reads_an_analyze_pair_as_spm_does(tmp_path):
    nib.save(nib.Spm2AnalyzeImage(DATA, np.diag([-2.0, 2, 2, 1])), tmp_path / 'con.img')
    (tmp_path / 'con.mat').unlink(missing_ok=True)
    volume = volumes.load_volume(tmp_path / 'con.img')
    np.testing.assert_array_equal(volume.data, DATA)
    assert volume.affine[0, 0] == -2.0


@pytest.mark.parametrize('shape', [(4, 5, 6, 1), (4, 5, 6, 1, 1)])
def test_trailing_axes_of_length_one_are_dropped(write_map, shape):
    path = write_map(DATA.reshape(shape))
    np.testing.assert_array_equal(volumes.load_volume(path).data, DATA)


def test_scaled_integers_are_scaled(tmp_path, affine):
    image = nib.Nifti1Image(np.arange(120, dtype=np.int16).reshape(4, 5, 6), affine)
    image.header.set_slope_inter(0.5, -3)
    # nibabel would rescale on saving; the header of a scanner's file is written by hand.
    image.header['vox_offset'] = 352
    content = image.header.binaryblock + bytes(4) + image.dataobj.tobytes(order='F')
    (tmp_path / 'scaled.nii').write_bytes(content)
    expected = np.arange(120).reshape(4, 5, 6) * 0.5 - 3
    np.testing.assert_array_equal(volumes.load_volume(tmp_path / 'scaled.nii').data, expected)


def test_nan_is_kept(write_map):
    data = DATA.copy()
    data[1, 2, 3] = np.nan
    np.testing.assert_array_equal(volumes.load_volume(write_map(data)).data, data)


def test_several_volumes_are_refused(write_map):
    path = write_map(np.stack([DATA] * 3, axis=-1))
    with pytest.raises(InputError, match='3 volumes') as caught:
        volumes.load_volume(path)
    assert path in str(caught.value)
    assert 'alone' in caught.value.advice


@pytest.mark.parametrize('shape', [(4, 5), (4, 5, 6, 2, 3), (4, 0, 6)])
def test_what_is_no_volume_is_refused(write_map, shape):
    with pytest.raises(InputError, match='neither one volume nor a series'):
        volumes.load_volume(write_map(np.ones(shape), name='odd.nii'))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r'absent\.nii\.gz does not exist'):
        volumes.load_volume(tmp_path / 'absent.nii.gz')


@pytest.mark.parametrize('name', ['whole.nii', 'whole.nii.gz', 'whole.img', 'whole.hdr'])
@pytest.mark.parametrize('share', [0.0, 0.1, 0.6, 0.95])
def test_a_truncated_file_is_named(tmp_path, affine, name, share):
    kind = nib.Nifti1Image if '.nii' in name else nib.Nifti1Pair
    nib.save(kind(DATA, affine), tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=rf'{name} could not be read as an image'):
        volumes.load_volume(tmp_path / name)


@pytest.mark.parametrize('name', ['notes.nii', 'notes.nii.gz', 'notes.img', 'notes.txt'])
def test_what_is_no_image_is_named(tmp_path, name):
    (tmp_path / name).write_text('These are not the maps you are looking for.\n' * 50)
    with pytest.raises(InputError, match=rf'{name} could not be read as an image'):
        volumes.load_volume(tmp_path / name)


def test_a_pair_without_its_other_file_is_refused(tmp_path, affine):
    nib.save(nib.Nifti1Pair(DATA, affine), tmp_path / 'half.img')
    (tmp_path / 'half.hdr').unlink()
    with pytest.raises(InputError, match='could not be read as an image'):
        volumes.load_volume(tmp_path / 'half.img')


def test_surfaces_are_not_read_yet(tmp_path):
    values = np.ones(10, dtype=np.float32)
    gifti = nib.GiftiImage(darrays=[nib.gifti.GiftiDataArray(values)])
    nib.save(gifti, tmp_path / 'left.func.gii')
    scalar = nib.cifti2.ScalarAxis(['effect'])
    brain = nib.cifti2.BrainModelAxis.from_surface(np.arange(10), 10, 'CortexLeft')
    nib.save(nib.Cifti2Image(values[None], (scalar, brain)), tmp_path / 'con.dscalar.nii')
    for name in ('left.func.gii', 'con.dscalar.nii'):
        with pytest.raises(InputError, match='surfaces are not read yet'):
            volumes.load_volume(tmp_path / name)


def test_complex_and_rgb_data_are_refused(tmp_path, affine):
    nib.save(nib.Nifti1Image(DATA.astype(np.complex64), affine), tmp_path / 'complex.nii')
    rgb = np.zeros((4, 5, 6), dtype=[('R', 'u1'), ('G', 'u1'), ('B', 'u1')])
    nib.save(nib.Nifti1Image(rgb, affine), tmp_path / 'rgb.nii')
    for name, found in (('complex.nii', 'complex data'), ('rgb.nii', 'RGB data')):
        with pytest.raises(InputError, match='does not hold real numbers') as caught:
            volumes.load_volume(tmp_path / name)
        assert caught.value.found == found


def test_infinite_values_are_counted_not_repaired(write_map):
    data = DATA.copy()
    data[0, 0, :2] = np.inf
    data[1, 1, 1] = -np.inf
    with pytest.raises(InputError, match='infinite') as caught:
        volumes.load_volume(write_map(data))
    assert caught.value.found == '3 of 120 voxels'


def test_values_beyond_float32_are_refused_unless_asked_for_in_float64(write_map):
    data = DATA.astype(np.float64)
    data[0, 0, 0] = 1e300
    path = write_map(data, dtype=np.float64)
    with pytest.raises(InputError, match='too large for float32') as caught:
        volumes.load_volume(path)
    assert caught.value.found == '1 of 120 voxels'
    np.testing.assert_array_equal(volumes.load_volume(path, dtype=np.float64).data, data)


def test_an_affine_that_cannot_be_inverted_is_refused(tmp_path, affine):
    image = nib.Nifti1Image(DATA, affine)
    image.header.set_qform(None, code=0)
    image.header['srow_x'] = 0
    (tmp_path / 'flat.nii').write_bytes(
        image.header.binaryblock + bytes(4) + DATA.tobytes(order='F')
    )
    with pytest.raises(InputError, match='does not say where its voxels are'):
        volumes.load_volume(tmp_path / 'flat.nii')


def test_iter_gives_the_same_maps_from_3d_files_and_from_one_4d_file(write_map):
    maps = RNG.standard_normal((3, 4, 5, 6)).astype(np.float32)
    paths = [write_map(data) for data in maps]
    for name in ('all.nii.gz', 'all.nii'):
        path = write_map(np.moveaxis(maps, 0, -1), name=name)
        for given in (path, [path]):
            items = list(volumes.iter_volumes(given))
            assert [name for name, _ in items] == [f'{path}[{i}]' for i in range(3)]
            np.testing.assert_array_equal([volume.data for _, volume in items], maps)
            assert volumes.count_volumes(given) == 3
    items = list(volumes.iter_volumes(paths))
    assert [name for name, _ in items] == paths
    np.testing.assert_array_equal([volume.data for _, volume in items], maps)
    assert volumes.count_volumes(paths) == 3


def test_iter_reads_a_single_3d_file_and_a_5d_series(write_map):
    path = write_map(DATA)
    assert [name for name, _ in volumes.iter_volumes(path)] == [path]
    series = write_map(np.stack([DATA, 2 * DATA], axis=-1)[..., None, :])
    items = list(volumes.iter_volumes(series))
    np.testing.assert_array_equal(items[1][1].data, 2 * DATA)


def test_a_4d_file_in_a_list_is_refused(write_map):
    paths = [write_map(DATA), write_map(np.stack([DATA, DATA], axis=-1))]
    with pytest.raises(InputError, match='4D file where a 3D file is meant'):
        list(volumes.iter_volumes(paths))


def test_an_empty_list_is_refused():
    with pytest.raises(InputError, match='No maps were given'):
        volumes.list_paths([])


def test_a_file_listed_twice_is_found_through_links(write_map, tmp_path):
    paths = [write_map(DATA), write_map(DATA)]
    (tmp_path / 'link.nii.gz').symlink_to(paths[0])
    with pytest.raises(InputError, match='listed twice') as caught:
        volumes.list_paths([*paths, tmp_path / 'link.nii.gz'])
    assert 'entries 1 and 3 of 3' in caught.value.found


def test_another_shape_or_affine_is_refused(write_map, affine):
    first = write_map(DATA)
    with pytest.raises(GridError, match='4 x 5 x 6 and 4 x 5 x 5 voxels') as caught:
        list(volumes.iter_volumes([first, other := write_map(DATA[..., :5])]))
    assert first in str(caught.value)
    assert other in str(caught.value)
    affine[2, 3] += 4.0
    with pytest.raises(GridError, match='voxels up to 4 mm apart'):
        list(volumes.iter_volumes([first, write_map(DATA, affine)]))


def test_grids_are_compared_at_their_corners(affine):
    # A voxel size off by 1e-4 mm is 1e-2 mm at the end of an axis of 101 voxels.
    data = np.broadcast_to(np.float32(0), (101, 2, 2))
    off = affine.copy()
    off[0, 0] += 1e-4
    with pytest.raises(GridError, match=r'0\.01 mm apart'):
        volumes.check_same_grid(Volume(data, affine), Volume(data, off), names=('a', 'b'))
    off[0, 0] = affine[0, 0] + 9e-6
    volumes.check_same_grid(Volume(data, affine), Volume(data, off), names=('a', 'b'))


@pytest.mark.parametrize('name', ['map.nii', 'map.nii.gz'])
def test_saved_volumes_come_back_through_nibabel(tmp_path, affine, name):
    data = DATA.copy()
    data[0, 0, 0] = np.nan
    path = volumes.save_volume(data, affine, tmp_path / name)
    assert path == str(tmp_path / name)
    image = nib.load(path)
    np.testing.assert_array_equal(image.get_fdata(dtype=np.float32), data)
    assert image.get_data_dtype() == np.float32
    np.testing.assert_array_equal(image.get_sform(), affine)
    np.testing.assert_allclose(image.get_qform(), affine, atol=1e-5)
    assert image.header['sform_code'] == image.header['qform_code'] == 2
    assert image.header.get_xyzt_units()[0] == 'mm'


def test_two_writes_give_equal_bytes(tmp_path, affine):
    first = volumes.save_volume(DATA, affine, tmp_path / 'one.nii.gz')
    second = volumes.save_volume(DATA, affine, tmp_path / 'two.nii.gz')
    content = [Path(path).read_bytes() for path in (first, second)]
    assert content[0] == content[1]
    assert content[0][4:8] == bytes(4)  # no time
    assert content[0][3] == 0  # no file name


def test_masks_are_saved_as_integers(tmp_path, affine):
    path = volumes.save_volume(DATA > 0, affine, tmp_path / 'mask.nii', dtype=np.uint8)
    image = nib.load(path)
    assert image.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asarray(image.dataobj), DATA > 0)


@pytest.mark.parametrize(
    ('value', 'dtype'), [(0.5, np.uint8), (-1, np.uint8), (np.nan, np.int32), (1e300, np.float32)]
)
def test_values_that_do_not_fit_are_refused(tmp_path, affine, value, dtype):
    with pytest.raises(InputError, match='1 of 1 voxels would change'):
        volumes.save_volume(np.full((1, 1, 1), value), affine, tmp_path / 'x.nii', dtype=dtype)
    assert list(tmp_path.iterdir()) == []


def test_only_volumes_are_saved_and_only_as_nifti(tmp_path, affine):
    with pytest.raises(InputError, match='three axes'):
        volumes.save_volume(DATA[0], affine, tmp_path / 'x.nii')
    with pytest.raises(InputError, match=r'\.nii or \.nii\.gz'):
        volumes.save_volume(DATA, affine, tmp_path / 'x.img')


def test_a_write_that_fails_leaves_nothing(tmp_path):
    # A process of its own, so that the limit can strike nothing else.
    script = textwrap.dedent(
        """
        import resource, signal, sys
        import numpy as np
        from nistats_nipype.exceptions import OutputError
        from nistats_nipype.images.volumes import save_volume

        data = np.random.default_rng(0).standard_normal((20, 20, 20))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
        try:
            save_volume(data, np.eye(4), sys.argv[1])
        except OutputError as error:
            print(type(error).__name__, error)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        """
    )
    for name in ('map.nii.gz', 'map.nii'):
        done = subprocess.run(
            [sys.executable, '-c', script, tmp_path / name],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.startswith(f'{OutputError.__name__} Could not write {tmp_path / name}')
        assert list(tmp_path.iterdir()) == []


def test_gzip_of_a_save_is_plain_gzip(tmp_path, affine):
    packed = volumes.save_volume(DATA, affine, tmp_path / 'a.nii.gz')
    plain = volumes.save_volume(DATA, affine, tmp_path / 'a.nii')
    assert gzip.decompress(Path(packed).read_bytes()) == Path(plain).read_bytes()


def test_the_two_files_of_a_pair_are_one_map(tmp_path):
    with pytest.raises(InputError, match='listed twice'):
        volumes.list_paths([tmp_path / 'con_0001.img', tmp_path / 'con_0001.hdr'])
