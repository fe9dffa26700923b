"""MatchMaps and SelectMaps: lists on one side, folders of other pipelines on the other."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from nistats_nipype.exceptions import InputError
from nistats_nipype.interfaces import ComputeMask, FitMixed, MatchMaps, SelectMaps


@pytest.fixture
def variances(group, tmp_path):
    """Variance maps of the group, named after the subjects."""
    paths = [tmp_path / 'v' / Path(path).name.replace('effect', 'variance')
             for path in group.in_files]  # fmt: skip
    (tmp_path / 'v').mkdir()
    for path, source in zip(paths, group.in_files, strict=True):
        image = nib.load(source)
        nib.save(nib.Nifti1Image(image.get_fdata() ** 2 + 1, image.affine), path)
    return [str(path) for path in paths]


def test_variances_get_the_order_of_the_maps(run, group, variances, read_json):
    found = run(MatchMaps(in_files=group.in_files, variance_files=variances[::-1]))
    assert found.in_files == group.in_files
    assert found.variance_files == variances
    assert read_json(found.metadata_file) == {'MatchedBy': 'subject', 'Dropped': []}


def test_what_is_left_out_is_in_the_metadata(run, group, variances, read_json):
    before = [{'file': 'sub-99', 'reason': 'no such map'}]
    found = run(
        MatchMaps(
            in_files=group.in_files,
            variance_files=variances[:-1],
            table_file=group.table_file,
            unmatched='drop',
            left_out=before,
        )
    )
    assert found.in_files == group.in_files[:-1]
    dropped = {'file': group.in_files[-1], 'reason': 'no map of variances'}
    assert read_json(found.metadata_file)['Dropped'] == [*before, dropped]


def test_maps_that_do_not_match_are_refused(refuse, group, variances):
    words = ['do not belong together', group.in_files[3], '--unmatched drop']
    kept = variances[:3] + variances[4:]
    refuse(MatchMaps(in_files=group.in_files, variance_files=kept), InputError, *words)
    words = ['needs the variances', '--variance-maps']
    refuse(MatchMaps(in_files=group.in_files, needs_variances=True), InputError, *words)


def test_a_mask_of_maps_and_variances_needs_as_many(refuse, group, variances):
    compute = ComputeMask(in_files=group.in_files, variance_files=variances[1:])
    refuse(compute, InputError, '11 maps of variances, 12 maps', 'one for each')


@pytest.fixture(scope='module')
def nilearn_folder(tmp_path_factory):
    """Two subjects, as nilearn fits and saves them."""
    from nilearn.glm import save_glm_to_bids
    from nilearn.glm.first_level import FirstLevelModel

    folder, random = tmp_path_factory.mktemp('nilearn'), np.random.default_rng(4)
    affine = np.diag([8.0, 8.0, 8.0, 1.0])
    affine[:3, 3] = -20
    mask = nib.Nifti1Image(np.ones((5, 5, 5), np.uint8), affine)
    for subject in ('01', '02'):
        data = random.standard_normal((5, 5, 5, 24)).astype(np.float32) + 100
        design = pd.DataFrame(random.standard_normal((24, 2)), columns=['faces', 'houses'])
        model = FirstLevelModel(mask_img=mask, noise_model='ols', signal_scaling=False)
        model = model.set_params(minimize_memory=False)
        model.fit(nib.Nifti1Image(data, affine), design_matrices=design.assign(constant=1.0))
        save_glm_to_bids(
            model,
            contrasts={'faces vs houses': 'faces - houses', 'faces': 'faces'},
            out_dir=folder,
            prefix=f'sub-{subject}_task-look_space-MNI',
        )
    return folder


# nilearn warns about its figures and tables on such a small volume.
@pytest.mark.filterwarnings('ignore')
def test_maps_that_nilearn_saved(run, refuse, nilearn_folder, read, read_json, new_folder):
    select = SelectMaps(folder=str(nilearn_folder), variances=True)
    several = refuse(select, InputError, 'more than one map for a subject')
    assert 'contrast: faces, facesVsHouses' in several.advice
    select.inputs.entities = {'contrast': 'facesVsHouses'}
    found = run(select)
    assert found.subjects == ['sub-01', 'sub-02']
    name = '{0}_task-look_space-MNI_contrast-facesVsHouses_stat-{1}_statmap.nii.gz'
    for kind, files in (('effect', found.effect_files), ('variance', found.variance_files)):
        assert [Path(path).name for path in files] == [
            name.format(subject, kind) for subject in found.subjects
        ]
    table = pd.read_csv(found.table_file, sep='\t')
    assert table['variance_file'].tolist() == found.variance_files
    entry = read_json(found.metadata_file)['Maps'][1]
    assert entry['Entities']['task'] == 'look'
    assert entry['Sidecar']['ModelParameters']['noise_model'] == 'ols'
    # They are the numbers that a fit takes.
    folder = new_folder()
    nib.save(nib.Nifti1Image(np.ones((5, 5, 5), 'u1'), nib.load(found.effect_files[0]).affine),
             folder / 'mask.nii')  # fmt: skip
    (folder / 'design.tsv').write_text('intercept\n1\n1\n')
    fitted = run(
        FitMixed(
            in_files=found.effect_files,
            variance_files=found.variance_files,
            mask_file=str(folder / 'mask.nii'),
            design_file=str(folder / 'design.tsv'),
            method='fixed',
        )
    )
    y, v = (np.stack([read(path) for path in files]).astype(float)
            for files in (found.effect_files, found.variance_files))  # fmt: skip
    mean = (y / v).sum(axis=0) / (1 / v).sum(axis=0)
    q = ((y - mean) ** 2 / v).sum(axis=0)
    np.testing.assert_allclose(read(fitted.q_file), q, rtol=1e-4, atol=1e-5)


def test_a_folder_is_searched_every_time(run, tmp_path):
    """To nipype a folder is unchanged as long as its name is."""
    for subject in ('sub-01', 'sub-02'):
        (tmp_path / f'{subject}_stat-effect_statmap.nii').touch()
        select = SelectMaps(folder=str(tmp_path))
        assert run(select).subjects[-1] == subject
    assert select.always_run
