"""Figures and the report of a small analysis."""

import base64
import html
import io
import json
import os
import re
from pathlib import Path
from statistics import NormalDist
from types import SimpleNamespace
from xml.etree import ElementTree

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nistats_nipype.exceptions import InputError
from nistats_nipype.interfaces import (
    ComputeMask,
    DrawSchedule,
    MakeReport,
    MergePermutations,
    Permute,
    PlotCoverage,
    PlotDesign,
    PlotGlassBrain,
    PlotNull,
    PlotStatMap,
    PlotSubjects,
    PlotSurface,
    SummarizeContrast,
    TableClusters,
    Threshold,
)


@pytest.fixture
def files(run, group, fit_and_test):
    """Analyse a small group from fit to table; give all files by name."""
    found = fit_and_test(group, 'intercept', name='Left > right')
    about = {key: found[key] for key in ('design_file', 'contrast_file')}
    data = {'in_files': group.in_files, 'mask_file': group.mask_file}
    drawn = run(DrawSchedule(n_perm=99, **about))
    chunk = run(Permute(schedule_file=drawn.schedule_file, **about, **data)).chunk_file
    merged = run(
        MergePermutations(
            chunk_files=[chunk],
            mask_file=group.mask_file,
            schedule_metadata_file=drawn.metadata_file,
            **about,
        )
    ).get()
    permuted = {**merged, 'permutation_metadata_file': merged['metadata_file']}
    found |= {'contrast_metadata_file': found['metadata_file']}
    masked = run(ComputeMask(method='given', **data)).get()
    z_file, p_fwe_file = found['z_file'], permuted['p_fwe_file']
    for label, rule in (
        ('uncorrected', {'alpha': 0.01}),
        ('fwe', {'method': 'fwe', 'alpha': 0.05, 'p_file': p_fwe_file}),
    ):
        threshold = Threshold(in_file=z_file, mask_file=group.mask_file, **rule)
        result = run(threshold)
        labels_file = result.labels_file
        table = TableClusters(in_file=z_file, labels_file=labels_file, p_fwe_file=p_fwe_file)
        found |= {
            f'z_{label}_file': result.thresholded_file,
            f'{label}_metadata_file': result.metadata_file,
            f'clusters_{label}_file': run(table).clusters_file,
        }
    return SimpleNamespace(**{**masked, **permuted, **found})


def figures_of(files, group):
    """One figure of each kind, and another input that must change it."""
    return {
        'glass brain': (PlotGlassBrain(in_file=files.z_uncorrected_file), {'threshold': 4.0}),
        'stat map': (
            PlotStatMap(in_file=files.z_uncorrected_file, cut_coords=[-20.0, 10.0, 40.0]),
            {'cut_coords': [0.0, 10.0, 40.0]},
        ),
        'subjects': (PlotSubjects(in_files=group.in_files[:4]), {'labels': list('abcd')}),
        'coverage': (
            PlotCoverage(coverage_file=files.coverage_file, losses_file=files.losses_file),
            {'title': 'Coverage'},
        ),
        'design': (
            PlotDesign(design_file=files.design_file),
            {'contrast_files': [files.contrast_file]},
        ),
        'surface': (PlotSurface(in_file=files.z_uncorrected_file), {'title': 'Cortex'}),
        'null': (PlotNull(null_file=files.null_file), {'alpha': 0.2}),
    }


def check_format(path, file_format):
    """Read a figure by its format, and refuse an empty one."""
    assert path.endswith(f'.{file_format}')
    if file_format == 'png':
        with Image.open(path) as image:
            assert min(image.size) >= 150
            assert np.asarray(image.convert('L')).std() > 5
    elif file_format == 'svg':
        root = ElementTree.parse(path).getroot()
        assert root.tag == '{http://www.w3.org/2000/svg}svg'
        assert len(list(root.iter())) > 30
    else:
        content = Path(path).read_bytes()
        assert content.startswith(b'%PDF-')
        assert content.rstrip().endswith(b'%%EOF')
        assert len(content) > 3000


@pytest.mark.parametrize(
    'kind', ['glass brain', 'stat map', 'surface', 'subjects', 'coverage', 'design', 'null']
)
def test_figures(run, files, group, kind):
    plot, change = figures_of(files, group)[kind]
    for file_format in ('svg', 'pdf', 'png'):
        plot.inputs.file_format = file_format
        path = run(plot).figure_file
        check_format(path, file_format)
    content = Path(path).read_bytes()
    assert Path(run(plot).figure_file).read_bytes() == content
    plot.inputs.trait_set(**change)
    assert Path(run(plot).figure_file).read_bytes() != content


def test_t_maps_are_drawn_in_place_of_effects(run, group):
    draw = PlotSubjects(in_files=group.in_files[:2], tmap_files=group.in_files[2:4])
    drawn = PlotSubjects(in_files=group.in_files[2:4], labels=['sub-03', 'sub-04'])
    same = [Path(run(plot).figure_file).read_bytes() for plot in (draw, drawn)]
    assert same[0] == same[1]


@pytest.mark.parametrize('plot', [PlotGlassBrain, PlotStatMap, PlotSurface])
def test_thresholded_maps_are_drawn_as_their_threshold_says(run, files, group, plot):
    """As the whole map at that height: the bar tells it, on the side that was tested."""
    level = run(
        Threshold(
            in_file=files.z_file, mask_file=group.mask_file, alpha=0.01, sidedness='positive'
        )
    )
    height = NormalDist().inv_cdf(0.99)
    whole = plot(in_file=files.z_file, threshold=height, sidedness='positive', label='z')
    made = plot(in_file=level.thresholded_file, label='z')
    made.inputs.threshold_metadata_file = level.metadata_file
    expected, found = (Path(run(each).figure_file).read_bytes() for each in (whole, made))
    assert found == expected
    untold = plot(in_file=level.thresholded_file, label='z')
    assert Path(run(untold).figure_file).read_bytes() != expected


def test_null_of_the_negative_side(run, files, new_folder):
    """The minimum of t is drawn as max -t: the mirrored picture, but for its words."""
    null = pd.read_csv(files.null_file, sep='\t')
    pictures = []
    for name, sign in (('max_t', 1), ('min_t', -1)):
        path = new_folder() / 'null.tsv'
        frame = pd.DataFrame({'relabelling': null['relabelling'], name: sign * null.iloc[:, 1]})
        frame.to_csv(path, sep='\t', index=False)
        with Image.open(run(PlotNull(null_file=str(path))).figure_file) as image:
            pictures.append(np.asarray(image.convert('L')).astype(int))
    assert pictures[0].shape == pictures[1].shape
    middle = tuple(slice(n // 5, -n // 5) for n in pictures[0].shape)
    np.testing.assert_array_equal(pictures[0][middle], pictures[1][middle])


def test_figures_that_cannot_be(refuse, group, new_folder):
    text = new_folder() / 'text.nii.gz'
    text.write_text('This is no image.')
    for plot in (PlotGlassBrain, PlotStatMap):
        refuse(plot(in_file=str(text)), InputError, 'text.nii.gz could not be read')
    refuse(PlotSubjects(in_files=[group.in_files[0], str(text)]), InputError, 'text.nii.gz')


# The report.


@pytest.fixture
def report_of(run, files, group):
    """Summarise the contrast and make the report; give the summary and the report's text."""

    def report_of(*parts, **inputs):
        given = {name: value for name, value in vars(files).items() if name in parts}
        summarize = SummarizeContrast(
            contrast_metadata_file=files.contrast_metadata_file,
            uncorrected_metadata_file=files.uncorrected_metadata_file,
            clusters_uncorrected_file=files.clusters_uncorrected_file,
            uncorrected_figure_file=run(PlotGlassBrain(in_file=files.z_file)).figure_file,
            **given,
        )
        summary = run(summarize)
        made = run(
            MakeReport(
                section_files=[summary.section_file],
                design_file=files.design_file,
                losses_file=files.losses_file,
                model_metadata_file=files.model_metadata_file,
                **inputs,
            )
        )
        return summary, Path(made.report_file).read_text()

    return report_of


_FWE = ('fwe_metadata_file', 'clusters_fwe_file', 'permutation_metadata_file')


def _visible(page):
    """Text of a page, without tags, with plain spaces and minus signs."""
    text = html.unescape(re.sub('<(script|style).*?</\\1>|<[^>]+>', ' ', page, flags=re.S))
    return ' '.join(text.replace('\N{MINUS SIGN}', '-').split())


def test_report_holds_headline_and_numbers(report_of, files, group, read_json, new_folder):
    matching = new_folder() / 'matching.json'
    matching.write_text(json.dumps({'Dropped': [{'file': 'sub-99.nii', 'reason': 'no row'}]}))
    summary, page = report_of(*_FWE, title='Left & right', fwhm_mm=6.0, mask_method='given',
        mask_file=group.mask_file, matching_metadata_file=str(matching))  # fmt: skip
    text = _visible(page)
    headline = read_json(summary.summary_file)
    assert headline['Contrast'] == 'Left > right'
    assert _visible(html.escape(headline['Result'])) in text
    fwe = read_json(files.fwe_metadata_file)
    clusters = pd.read_csv(files.clusters_fwe_file, sep='\t')
    assert fwe['NumberOfClusters'] > 0
    assert '<title>Left &amp; right' in page
    assert f'12 maps, {group.mask.sum()} voxels, 1 contrast.' in text
    permutation = read_json(files.permutation_metadata_file)
    assert '99 sign flips drawn without repeats (seed 0)' in text
    assert permutation['NumberOfPossibleRelabellings'] in text.replace(',', '')
    for _, peak in clusters.iterrows():
        numbers = [f'{peak[axis]:.0f}' for axis in ('x_mm', 'y_mm', 'z_mm')]
        assert ' '.join([*numbers, f'{peak["peak_stat"]:.2f}']) in text
    # The folder that all maps share is left out of what is shown; the file to download has it.
    top = os.path.commonpath([os.path.dirname(path) for path in group.in_files])
    link = re.search(r'href="data:[^,]*,([^"]*)" download="coverage.tsv"', page)
    coverage = pd.read_csv(io.BytesIO(base64.b64decode(link[1])), sep='\t')
    assert coverage['file'].tolist() == list(group.in_files)
    for path in group.in_files:
        assert path not in text
        assert os.path.relpath(path, top) in text
    assert 'FWHM' in text
    sizes = np.linalg.norm(nib.load(group.mask_file).affine[:3, :3], axis=0)
    assert ' × '.join(f'{size:g}' for size in sizes) + ' mm' in text
    assert 'Left out: sub-99.nii (no row).' in text
    assert '1 further map was left out.' in text
    assert 'Seed of the relabellings 0' in text
    for package in ('numpy', 'nilearn', 'nistats_nipype'):
        assert package in text
    # Nothing is fetched when the page is opened.
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert page.count('<img src="data:image/webp;base64,') >= 1


def test_headline_is_about_the_largest_cluster(report_of, files, new_folder, read_json):
    """Whatever its sign, though positive clusters come first in the table."""
    table = pd.read_csv(files.clusters_fwe_file, sep='\t')
    assert set(table['sign']) == {'positive'}
    below = table[:1].assign(sign='negative', x_mm=-7.0, peak_stat=-4.25, n_voxels=999)
    path = new_folder() / 'clusters.tsv'
    pd.concat([table, below]).to_csv(path, sep='\t', index=False)
    headlines = []
    for clusters_file in (files.clusters_fwe_file, str(path)):
        files.clusters_fwe_file = clusters_file
        summary, _ = report_of(*_FWE)
        headlines.append(_visible(read_json(summary.summary_file)['Result']))
    peak = table.iloc[0]
    assert peak['n_voxels'] == table['n_voxels'].max()
    places = [f'({x:g}, {peak["y_mm"]:g}, {peak["z_mm"]:g}) mm' for x in (peak['x_mm'], -7.0)]
    assert f'{places[0]} with z = {peak["peak_stat"]:.2f}' in headlines[0]
    assert f'{places[1]} with z = -4.25' in headlines[1]
    fwe = read_json(files.fwe_metadata_file)
    assert (
        f'{fwe["NumberOfVoxelsPositive"]} voxels in {fwe["NumberOfClusters"]} cl' in headlines[0]
    )


def test_without_permutations_the_uncorrected_result_is_told(report_of, files, read_json):
    summary, page = report_of()
    section = read_json(summary.section_file)
    assert section['clusters_at'] == 'uncorrected'
    assert section['clusters_file'] == files.clusters_uncorrected_file
    assert 'uncorrected' in read_json(summary.summary_file)['Result']
    assert 'Relabellings' not in _visible(page)


def test_an_empty_table_gives_way(report_of, files, new_folder, read_json):
    empty = new_folder() / 'clusters.tsv'
    pd.read_csv(files.clusters_fwe_file, sep='\t')[:0].to_csv(empty, sep='\t', index=False)
    files.clusters_fwe_file = str(empty)
    metadata = new_folder() / 'threshold.json'
    nothing = {
        'NumberOfClusters': 0,
        'NumberOfVoxelsPositive': 0,
        'NumberOfVoxelsNegative': 0,
        'LargestCluster': 0,
        'Threshold': None,
    }
    metadata.write_text(json.dumps({**read_json(files.fwe_metadata_file), **nothing}))
    files.fwe_metadata_file = str(metadata)
    summary, _ = report_of(*_FWE)
    section = read_json(summary.section_file)
    assert section['clusters_at'] == 'uncorrected'
    assert section['clusters_file'] == files.clusters_uncorrected_file
    assert 'No ' in section['headline']


def test_the_same_report_twice(report_of):
    assert report_of(*_FWE)[1].encode() == report_of(*_FWE)[1].encode()


def test_a_section_that_is_none(refuse, files, new_folder):
    path = new_folder() / 'section.json'
    path.write_text('{')
    report = MakeReport(
        section_files=[str(path)],
        design_file=files.design_file,
        losses_file=files.losses_file,
        model_metadata_file=files.model_metadata_file,
    )
    refuse(report, InputError, 'section.json could not be read as JSON')
