"""Large groups: time and peak memory of every step, beside nilearn's SecondLevelModel.

``python benchmarks/large.py`` takes a simulated group of 2,000 subjects at 3 mm through the
second-level workflow, each step in a process of its own, and the same maps through nilearn, with
the same smoothing (``--n-subjects 200 --resolution 2`` is the group of the published figures).
``--packed 10000 235375`` fits and permutes so many observations of so many voxels.
``--scaling`` prints how the cost of fit and permutations grows with subjects, voxels and
relabellings, with the line that fits best.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from measuring import measure
from rich.console import Console
from rich.table import Table

#: Subjects, voxels and relabellings of the scaling: one grows, the others stay.
SIZES = {'subjects': (250, 500, 1000, 2000), 'voxels': (10_000, 20_000, 40_000, 80_000),
         'relabellings': (100, 200, 400, 800)}  # fmt: skip
#: The fastest counts; the first time, kernels are compiled.
REPEATS = 3
STAYING = {'subjects': 500, 'voxels': 20_000, 'relabellings': 200}


def run_workflow(group, n_perm, folder):
    """Take a group through the workflow; give what each node took."""
    from nodes import MeasuringPlugin

    from nistats_nipype.workflows import init_second_level_wf

    workflow = init_second_level_wf(fwhm_mm=8.0, n_perm=n_perm, omp_nthreads=os.cpu_count())
    workflow.base_dir = str(folder)
    workflow.inputs.inputnode.in_files = group.effect_files
    workflow.config['execution'] = {'create_report': 'false'}
    plugin = MeasuringPlugin()
    workflow.run(plugin=plugin)
    return plugin.measured


def run_nilearn(files):
    """Fit nilearn's SecondLevelModel to the same maps; in a process of its own."""
    from nilearn.glm.second_level import SecondLevelModel

    model = SecondLevelModel(smoothing_fwhm=8.0)
    model.fit(files, design_matrix=pd.DataFrame({'intercept': np.ones(len(files))}))
    model.compute_contrast('intercept', output_type='z_score')
    return {}


def as_table(title, rows):
    """Table of costs."""
    table = Table('step', 'CPU s', 'wall s', 'peak MB', 'asked MB', title=title)
    for name, cost, asked in rows:
        seconds = f'{cost.cpu:.1f}', f'{cost.wall:.1f}'
        table.add_row(name, *seconds, f'{cost.peak_mb:.0f}', f'{asked:.0f}' if asked else '')
    return table


def compare(n_subjects, resolution_mm, n_perm, contenders):
    """Measure the workflow, and nilearn."""
    import multiprocessing

    from nistats_nipype.datasets.simulation import simulate_group

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        group = simulate_group(
            folder / 'group',
            n_subjects=n_subjects,
            resolution_mm=resolution_mm,
            hole_fraction=0.0,
        )
        title = f'{n_subjects:,} subjects at {resolution_mm} mm, {n_perm:,} relabellings'
        if 'nistats_nipype' in contenders:
            yield as_table(title, run_workflow(group, n_perm, folder / 'work'))
        if 'nilearn' in contenders:
            # Forked before anything large is here; what it inherits does not count.
            with multiprocessing.get_context('spawn').Pool(1) as pool:
                _, cost = pool.apply(measure_nilearn, (group.effect_files,))
            yield as_table(
                f'nilearn, {n_subjects:,} subjects at {resolution_mm} mm', [('all', cost, None)]
            )


def measure_nilearn(files):
    """Measure nilearn in this process."""
    return measure(lambda: run_nilearn(files))


def run_packed(n_subjects, n_voxels, n_perm):
    """Fit and permute packed maps of noise; give what each node took."""
    import nibabel as nib
    from nipype.pipeline import engine as pe
    from nodes import MeasuringPlugin

    from nistats_nipype.designs.contrasts import Contrast
    from nistats_nipype.images.files import save_json, save_table
    from nistats_nipype.interfaces import ComputeContrast, FitGLM
    from nistats_nipype.workflows import init_permutation_wf
    from nistats_nipype.workflows.nodes import make_node

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        maps, files = str(folder / 'maps.npy'), {}
        header = {'descr': '<f4', 'fortran_order': False, 'shape': (n_subjects, n_voxels)}
        with open(maps, 'wb') as stream:
            np.lib.format.write_array_header_1_0(stream, header)
            for _ in range(n_subjects):
                stream.write(rng.standard_normal(n_voxels, dtype=np.float32).tobytes())
        # A grid of which the brain takes a quarter.
        edge = int(np.ceil(np.cbrt(4 * n_voxels)))
        mask = (np.arange(edge**3) < n_voxels).reshape(edge, edge, edge)
        files['mask_file'] = str(folder / 'mask.nii.gz')
        image = nib.Nifti1Image(mask.astype(np.uint8), np.eye(4))
        nib.save(image, files['mask_file'])
        design = pd.DataFrame({'mean': 1.0, 'age': rng.standard_normal(n_subjects)})
        files['design_file'] = save_table(design, folder / 'design.tsv')
        contrast = Contrast('age', np.array([[0.0, 1.0]]), tuple(design.columns))
        contrast_file = save_json(contrast.to_dict(), folder / 'contrast.json')
        fit = make_node(FitGLM(in_files=maps, **files), name='fit_glm')
        compute = make_node(ComputeContrast(contrast_file=contrast_file, **files), name='compute')
        permutation_wf = init_permutation_wf(n_perm=n_perm, omp_nthreads=os.cpu_count())
        permutation_wf.get_node('inputnode').inputs.trait_set(
            in_files=[maps], contrast_file=contrast_file, **files
        )
        workflow = pe.Workflow('packed_wf', base_dir=str(folder))
        workflow.connect([(fit, compute, [('model_file', 'model_file')])])
        workflow.add_nodes([permutation_wf])
        plugin = MeasuringPlugin()
        workflow.run(plugin=plugin)
        return plugin.measured


def scale():
    """Measure fit and permutations as subjects, voxels and relabellings grow."""
    from nistats_nipype.images.packed import PackedMaps
    from nistats_nipype.stats import glm
    from nistats_nipype.stats.exchange import draw_schedule
    from nistats_nipype.stats.permutation import permute

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'maps.npy'
        for what, sizes in SIZES.items():
            table = Table(what, 'fit, CPU s', 'permute, CPU s', title=f'As {what} grow')
            costs = []
            for size in sizes:
                n, v, b = (STAYING | {what: size}).values()
                np.save(path, rng.standard_normal((n, v), dtype=np.float32))
                design = np.column_stack([np.ones(n), rng.standard_normal(n)])
                schedule = draw_schedule(design, [0, 1], n_perm=b)
                values = PackedMaps(path)
                seconds = []
                for work in (
                    lambda: glm.fit(values, design),  # noqa: B023
                    lambda: permute(values, design, [0, 1], schedule),  # noqa: B023
                ):
                    seconds.append(min(_time(work) for _ in range(REPEATS)))
                costs.append(seconds)
                table.add_row(f'{size:,}', *(f'{each:.2f}' for each in seconds))
            table.add_row('a + b x', *map(_line, [sizes] * 2, np.transpose(costs)))
            yield table


def _time(work):
    started = time.process_time()
    work()
    return time.process_time() - started


def _line(sizes, costs):
    """Line through costs, and the share of their variance that it explains."""
    slope, offset = np.polyfit(sizes, costs, 1)
    explained = np.corrcoef(sizes, costs)[0, 1] ** 2
    return f'{offset:.2f} + {1000 * slope:.3f}e-3 x (R² {explained:.4f})'


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--n-subjects', type=int, default=2000)
    parser.add_argument('--resolution', type=int, default=3, help='mm')
    parser.add_argument('--n-perm', type=int, default=1000)
    parser.add_argument('--scaling', action='store_true', help='print the growth of the cost only')
    packed = {'nargs': 2, 'type': int, 'metavar': ('N', 'V')}
    parser.add_argument('--packed', **packed, help='only fit and permute N maps of V voxels')
    contenders = ['nistats_nipype', 'nilearn']
    parser.add_argument('--contenders', nargs='+', default=contenders, choices=contenders)
    args = parser.parse_args()
    if args.scaling:
        tables = scale()
    elif args.packed:
        title = '{:,} observations of {:,} voxels, {:,} relabellings'
        measured = run_packed(*args.packed, args.n_perm)
        tables = [as_table(title.format(*args.packed, args.n_perm), measured)]
    else:
        tables = compare(args.n_subjects, args.resolution, args.n_perm, args.contenders)
    for table in tables:
        Console().print(table)


if __name__ == '__main__':
    main()
