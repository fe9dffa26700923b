"""The results folder: names, sidecars, and what happens when it is filled again."""

import os
import re
from pathlib import Path

import pytest

from nistats_nipype.exceptions import InputError, OutputError
from nistats_nipype.interfaces import (
    ComputeMask,
    DefineContrast,
    SinkContrast,
    SinkGroup,
    SinkJoint,
    Threshold,
)

#: Entities in the order in which BIDS has them; values of letters and digits only.
NAME = re.compile(
    r'contrast-[A-Za-z0-9]+(_stat-(effect|variance|t|F|v|G|chi2|z|p|logp|q))?(_desc-[A-Za-z0-9]+)?'
    r'_(statmap|clusters|null|glass|summary)\.(nii\.gz|tsv|json|png)'
)
PARAMETRIC = ('effect', 'variance', 'stat', 'z', 'p')


@pytest.fixture
def results(tmp_path):
    return tmp_path / 'deep' / 'results'


@pytest.fixture
def sink(run, results, fit_and_test, group):
    """Sink the maps of a contrast; give the files and the outputs of the test."""

    def sink(definition, formula=None, name='Left > right (go!)', **inputs):
        found = fit_and_test(group, definition, formula, name=name)
        maps = {f'{kind}_file': found[f'{kind}_file'] for kind in PARAMETRIC}
        sinking = SinkContrast(
            out_dir=str(results),
            contrast_file=found['contrast_file'],
            contrast_metadata_file=found['metadata_file'],
            model_metadata_file=found['model_metadata_file'],
            **maps,
            **inputs,
        )
        return sinking, run(sinking).out_files, found

    return sink


@pytest.mark.parametrize(
    ('definition', 'formula', 'kind'),
    [('intercept', None, 't'), (['site[T.b]', 'site[T.c]'], 'site', 'F')],
)
def test_names_sidecars_and_content(sink, results, read, read_json, group, definition, formula,
                                    kind):  # fmt: skip
    _, out_files, found = sink(definition, formula)
    names = sorted(path.name for path in results.iterdir())
    stats = ('effect', 'variance', kind, 'z', 'p')
    stems = [f'contrast-LeftRightGo_stat-{stat}_statmap' for stat in stats]
    assert names == sorted([f'{stem}{end}' for stem in stems for end in ('.json', '.nii.gz')])
    assert all(NAME.fullmatch(name) for name in names)
    assert sorted(out_files) == [str(results / name) for name in names]
    for trait, stem in zip(PARAMETRIC, stems, strict=True):
        source = Path(found[f'{trait}_file']).read_bytes()
        assert (results / f'{stem}.nii.gz').read_bytes() == source
    sidecar = read_json(results / f'contrast-LeftRightGo_stat-{kind}_statmap.json')
    assert sidecar['Description'] == 'Observed statistic'
    assert sidecar['Contrast'] == 'Left > right (go!)'
    assert sidecar['Statistic'] == kind
    assert sidecar['MissingData'] == 'error'
    assert sidecar['NumberOfMaps'] == 12
    assert sidecar['DegreesOfFreedom'] == ([11, 11] if kind == 't' else [9, 9])
    assert sidecar['SoftwareVersions']['nipype'] == __import__('nipype').__version__
    assert sidecar['Sources'] == ['bids::maps.tsv', 'bids::design.tsv', 'bids::mask.nii.gz']
    effect = read(results / 'contrast-LeftRightGo_stat-effect_statmap.nii.gz')
    assert effect.shape == (group.mask.shape if kind == 't' else (*group.mask.shape, 2))


@pytest.mark.parametrize('statistic', ['v', 'G', 'chi2', 'z'])
def test_a_statistic_goes_by_its_own_name(sink, run, results, tmp_path, statistic):
    """The z of fixed effects is their statistic; there is one map of it."""
    _, _, found = sink('intercept', name='x')
    for path in results.iterdir():
        path.unlink()
    about = tmp_path / 'about.json'
    about.write_text(f'{{"StatisticName": "{statistic}"}}')
    sinking = SinkContrast(
        out_dir=str(results),
        contrast_file=found['contrast_file'],
        contrast_metadata_file=str(about),
        stat_file=found['stat_file'],
        z_file=found['z_file'],
    )
    names = {Path(path).name for path in run(sinking).out_files if path.endswith('.gz')}
    assert names == {f'contrast-x_stat-{name}_statmap.nii.gz' for name in (statistic, 'z')}
    assert all(NAME.fullmatch(name) for name in names)
    z = (results / 'contrast-x_stat-z_statmap.nii.gz').read_bytes()
    assert z == Path(found['z_file']).read_bytes()


def test_metadata_of_a_threshold_goes_with_its_map(sink, run, results, read_json, group):
    _, _, found = sink('intercept')
    threshold = run(Threshold(in_file=found['z_file'], mask_file=group.mask_file, alpha=0.01))
    sinking = SinkContrast(
        out_dir=str(results),
        contrast_file=found['contrast_file'],
        contrast_metadata_file=found['metadata_file'],
        uncorrected_metadata_file=threshold.metadata_file,
        z_uncorrected_file=threshold.thresholded_file,
    )
    map_file, sidecar = run(sinking).out_files
    name = 'contrast-LeftRightGo_stat-z_desc-uncorrectedThreshold_statmap'
    assert Path(map_file).name == f'{name}.nii.gz'
    assert NAME.fullmatch(Path(map_file).name)
    content = read_json(sidecar)
    expected = read_json(threshold.metadata_file)
    assert {key: content[key] for key in expected} == expected
    assert 'MissingData' not in content  # the fit's metadata were not given


def test_fdr_maps(sink, run, results, tmp_path):
    """Each is named after what it holds, and its sidecar says how it was made."""
    _, _, found = sink('intercept', name='x')
    metadata = tmp_path / 'permutation.json'
    metadata.write_text('{"FDRMethod": "BH", "SmallestFDRAdjustedP": 0.01}')
    sinking = SinkContrast(
        out_dir=str(results),
        contrast_file=found['contrast_file'],
        permutation_metadata_file=str(metadata),
        q_fdr_file=found['p_file'],
        logq_fdr_file=found['z_file'],
    )
    out_files = [Path(path) for path in run(sinking).out_files]
    stems = ['contrast-x_stat-q_desc-FDR_statmap', 'contrast-x_stat-logp_desc-FDR_statmap']
    assert [path.name for path in out_files] == [
        f'{stem}{end}' for stem in stems for end in ('.nii.gz', '.json')
    ]
    assert all(NAME.fullmatch(path.name) for path in out_files)
    for path, trait in ((out_files[0], 'p_file'), (out_files[2], 'z_file')):
        assert path.read_bytes() == Path(found[trait]).read_bytes()
    assert '"FDRMethod": "BH"' in out_files[1].read_text()


def test_a_second_run_leaves_the_files_alone(sink, run, results):
    sinking, out_files, _ = sink('intercept')
    assert sinking.always_run
    long_ago = 10**18
    for path in out_files:
        os.utime(path, ns=(long_ago, long_ago))
    assert run(sinking).out_files == out_files
    assert {Path(path).stat().st_mtime_ns for path in out_files} == {long_ago}
    spoiled, gone = Path(out_files[0]), Path(out_files[1])
    content = spoiled.read_bytes()
    spoiled.write_bytes(b'changed')
    gone.unlink()
    run(sinking)
    assert spoiled.read_bytes() == content
    assert gone.is_file()
    untouched = [path for path in out_files[2:] if Path(path).stat().st_mtime_ns != long_ago]
    assert untouched == []


def test_group_files(run, group, results, read_json, fit_and_test, tmp_path):
    found = fit_and_test(group, 'intercept')
    masked = run(ComputeMask(in_files=group.in_files))
    figure = tmp_path / 'figure.png'
    figure.write_bytes(b'a figure')
    out_files = run(
        SinkGroup(
            out_dir=str(results),
            mask_file=masked.mask_file,
            coverage_file=masked.coverage_file,
            maps_file=masked.losses_file,
            n_file=found['n_file'],
            design_file=found['design_file'],
            model_metadata_file=found['model_metadata_file'],
            figure_files=[str(figure)],
            figure_names=['coverage'],
        )
    ).out_files
    stems = {'mask': '.nii.gz', 'coverage': '.nii.gz', 'n': '.nii.gz', 'maps': '.tsv',
             'design': '.tsv'}  # fmt: skip
    names = [f'{stem}{end}' for stem, own in stems.items() for end in (own, '.json')]
    names += ['dataset_description.json', 'figures/coverage.png']
    assert sorted(out_files) == sorted(str(results / name) for name in names)
    description = read_json(results / 'dataset_description.json')
    assert description['DatasetType'] == 'derivative'
    assert description['GeneratedBy'][0]['Name'] == 'nistats_nipype'
    assert {'Name', 'BIDSVersion'} <= set(description)
    assert read_json(results / 'n.json')['NumberOfVoxelsFitted'] == group.mask.sum()
    assert (results / 'figures' / 'coverage.png').read_bytes() == b'a figure'


def test_every_figure_needs_a_name(refuse, group, results, fit_and_test):
    found = fit_and_test(group, 'intercept')
    for names in ({}, {'figure_names': ['one', 'two']}):
        sinking = SinkContrast(
            out_dir=str(results),
            contrast_file=found['contrast_file'],
            figure_files=[group.mask_file],
            **names,
        )
        refuse(sinking, InputError, 'Every figure needs a name', '1 figure_names')


def test_a_folder_that_cannot_be_made(refuse, group, tmp_path, fit_and_test):
    found = fit_and_test(group, 'intercept')
    (tmp_path / 'file').write_text('no folder')
    sinking = SinkContrast(
        out_dir=str(tmp_path / 'file' / 'results'), contrast_file=found['contrast_file']
    )
    refuse(sinking, OutputError, 'file/results', 'could not be made', 'can be written to')


def test_maps_that_are_corrected_over_contrasts(
    run, refuse, group, results, read_json, new_folder
):
    design = new_folder() / 'design.tsv'
    design.write_text('a\tb\n' + '1\t0\n0\t1\n' * 3)
    files = [
        run(DefineContrast(name=name, definition=name[0], design_file=str(design))).contrast_file
        for name in ('a', 'b (left)')
    ]
    sinking = SinkJoint(
        out_dir=str(results), contrast_files=files, tfce_logp_fwe_files=group.in_files[:2]
    )
    out_files = run(sinking).out_files
    stems = [
        f'contrast-{label}_stat-logp_desc-tfceContrastsFWE_statmap' for label in ('a', 'bLeft')
    ]
    names = [f'{stem}.{kind}' for stem in stems for kind in ('nii.gz', 'json')]
    assert out_files == [str(results / name) for name in names]
    assert all(NAME.fullmatch(name) for name in names)
    for stem, source, name in zip(stems, group.in_files, ('a', 'b (left)'), strict=False):
        assert (results / f'{stem}.nii.gz').read_bytes() == Path(source).read_bytes()
        assert read_json(results / f'{stem}.json')['Contrast'] == name
    sinking.inputs.tfce_logp_fwe_files = group.in_files[:3]
    refuse(sinking, InputError, 'tfce_logp_fwe_files', '3 maps', '2, in the order')
