"""
Scatter and gather: permutations as jobs of SLURM
=================================================

Relabellings do not depend on each other. They are drawn once, to a file; chunks of it run
as separate jobs, anywhere; the chunks are merged. What comes out is the same to the last
bit as from one job on this machine, and the script checks that it is.

Where a SLURM answers, the chunks are its jobs, and processes of this machine otherwise.
The script is started on a login node, and the output folder is one that all nodes of the
cluster see.

Run it with ``python workflows/07_slurm_scatter_gather.py``. For a real cluster, say what a
job needs: ``--sbatch-args '--partition=long --time=1:00:00'``.
"""

# %%
# What to run, and where
# ----------------------

import argparse
import json
from pathlib import Path

import nibabel as nib

from nistats_nipype.datasets import simulate_group
from nistats_nipype.interfaces import (
    ApplyMask,
    BuildDesign,
    ComputeMask,
    PlotGlassBrain,
    PlotNull,
    Threshold,
)
from nistats_nipype.plugins.slurm import SLURMPlugin
from nistats_nipype.workflows import init_permutation_wf

parser = argparse.ArgumentParser()
parser.add_argument('--out', default='scatter_gather', help='folder of everything')
parser.add_argument('--n-subjects', type=int, default=16, help='simulated subjects')
parser.add_argument('--resolution', type=int, default=3, help='edge of a voxel in mm')
parser.add_argument('--n-perm', type=int, default=2000, help='relabellings (advised: 10000)')
parser.add_argument('--n-chunks', type=int, default=8, help='jobs that share them')
parser.add_argument('--plugin', help='execution plugin; default: SLURM if there is one')
parser.add_argument('--sbatch-args', default='', help='options of sbatch')
parser.add_argument('--n-procs', type=int, default=2, help='processes of MultiProc')
args = parser.parse_args()
out_dir = Path(args.out).absolute()

# %%
# The plugin
# ----------
# The package's own plugin for SLURM asks for a node's processors and memory, cancels its jobs if
# the run fails, and tells why a job ended. It is an object, which any workflow of nipype runs on.


def choose_plugin():
    """Choose SLURM where it answers; give the arguments of ``Workflow.run``."""
    name = args.plugin or ('SLURM' if SLURMPlugin.obstacle() is None else 'MultiProc')
    if name == 'SLURM':
        return name, {'plugin': SLURMPlugin({'sbatch_args': args.sbatch_args})}
    return name, {'plugin': name, 'plugin_args': {'n_procs': args.n_procs}}


# %%
# What is tested
# --------------
# Mask, maps in one file, design and contrast take a second; so these interfaces run one by one, in
# this process.


def prepare(effect_files, folder):
    """Make what a permutation test needs; give it by the name of the input."""
    folder.mkdir(parents=True, exist_ok=True)
    mask_file = ComputeMask(in_files=effect_files).run(cwd=folder).outputs.mask_file
    pack = ApplyMask(in_files=effect_files, mask_file=mask_file).run(cwd=folder)
    build = BuildDesign(in_files=effect_files, contrasts={'left vs right': 'intercept'})
    design = build.run(cwd=folder).outputs
    return {
        'in_files': pack.outputs.observations_file,
        'mask_file': mask_file,
        'design_file': design.design_file,
        'contrast_file': design.contrast_files[0],
    }


# %%
# Scatter, and gather
# -------------------
# A graph of three steps: draw the schedule, permute (a ``MapNode`` over chunks), merge.


def permute(test, n_chunks, folder, **plugin):
    """Run the permutation test in chunks; give its files, and how many chunks there were."""
    workflow = init_permutation_wf(n_perm=args.n_perm, n_chunks=n_chunks)
    workflow.base_dir = str(folder)
    for name, path in test.items():
        setattr(workflow.inputs.inputnode, name, path)
    graph = workflow.run(**plugin)
    results = {node.name: node.result.outputs for node in graph.nodes()}
    return results['merge_permutations'].get_traitsfree(), len(results['permute'].chunk_file)


# %%
# The same bits?
# --------------
# Every file that the two merges have made is compared: maps, null distribution, sidecar.


def differing(first, second):
    """Names of the results whose files differ."""
    return [
        name
        for name, path in first.items()
        if Path(path).read_bytes() != Path(second[name]).read_bytes()
    ]


# %%
# Run it
# ------
# Once in chunks through the plugin, and once in a single chunk in this process.

# Plugins with processes of their own import this script again; only the first run runs.
if __name__ == '__main__':
    group = simulate_group(
        out_dir / 'maps', n_subjects=args.n_subjects, resolution_mm=args.resolution
    )
    test = prepare(group.effect_files, out_dir / 'prepared')
    name, plugin = choose_plugin()
    scattered, n_jobs = permute(test, args.n_chunks, out_dir / 'scattered', **plugin)
    single, _ = permute(test, 1, out_dir / 'single', plugin='Linear')

    passes = nib.load(scattered['p_fwe_file']).get_fdata() < 0.05
    planted = abs(nib.load(group.truth_file).get_fdata())
    answer = {
        'plugin': name,
        'jobs': n_jobs,
        'compared': sorted(scattered),
        'differing': differing(scattered, single),
        'voxels': int(passes.sum()),
        'found': float(passes[planted > 0.7].mean()),
        'elsewhere': int(passes[planted == 0].sum()),
    }
    (out_dir / 'answer.json').write_text(json.dumps(answer, indent=2))
    print(f'{args.n_perm} relabellings in {n_jobs} jobs of {name}, and in one of this process')
    print(f'{len(answer["differing"])} of {len(scattered)} files differ')
    print(
        f'{answer["found"]:.0%} of the strong planted effects found, {answer["elsewhere"]} of '
        f'{answer["voxels"]} voxels where there is none'
    )
    assert not answer['differing'], f'These depend on the split: {answer["differing"]}'
    assert n_jobs == args.n_chunks, 'Permutations were not scattered.'
    assert answer['found'] > 0.8, 'What was planted is missed.'
    assert answer['elsewhere'] <= 0.1 * answer['voxels'], 'What was not planted is found.'

    threshold = Threshold(
        in_file=scattered['stat_file'],
        p_file=scattered['p_fwe_file'],
        mask_file=test['mask_file'],
        method='fwe',
        alpha=0.05,
    )
    pictures = [
        PlotGlassBrain(
            in_file=threshold.run(cwd=out_dir).outputs.thresholded_file,
            title='Left against right hand: p < .05 corrected',
            label='t',
        ),
        PlotNull(null_file=scattered['null_file'], title='Largest t of each relabelling'),
    ]
    for picture in pictures:
        print(f'picture: {picture.run(cwd=out_dir).outputs.figure_file}')
