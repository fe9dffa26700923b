"""
One interface in a pipeline of your own
=======================================

A laboratory has its pipeline, of functions around nilearn: smooth the maps of the subjects,
fit the group, threshold, draw. What it lacks is somebody who looks at the maps before they
disappear in a mean. So it takes one interface of this package, ``CheckMaps``, and
nothing else: any interface works alone, as its inputs and outputs are files.

The group is simulated, and two maps are broken on purpose. One has its sign the wrong way
round, as if the contrast had been typed in backwards, and one has ten times the values, as
if it were in other units. The check has to name both, and the two pictures at the end are of
the group with and without them.

Run it with ``python workflows/08_single_interface.py``.
"""

# %%
# What to run, and where
# ----------------------

import argparse
import json
import shutil
from pathlib import Path

import nibabel as nib
import pandas as pd
from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from nistats_nipype.datasets import simulate_group
from nistats_nipype.interfaces import CheckMaps

parser = argparse.ArgumentParser()
parser.add_argument('--out', default='single_interface', help='folder of everything')
parser.add_argument('--n-subjects', type=int, default=16, help='simulated subjects, at least 11')
parser.add_argument('--resolution', type=int, default=4, help='edge of a voxel in mm')
parser.add_argument('--plugin', default='MultiProc', help="nipype's execution plugin")
parser.add_argument('--n-procs', type=int, default=2, help='processes of MultiProc')
args = parser.parse_args()
out_dir = Path(args.out).absolute()

# %%
# The node of this package
# ------------------------
# With ``on_error='report'`` it never stops the pipeline, but writes what it finds to a table: how
# grave, about whom, what is wrong, and what to do.

check_maps = pe.Node(CheckMaps(on_error='report'), name='check_maps')

# %%
# The nodes of the laboratory
# ---------------------------
# Functions run in the folder of their node, and import what they need.


def smooth_map(in_file, fwhm_mm):
    """Smooth a map with nilearn."""
    from pathlib import Path

    from nilearn.image import smooth_img

    out_file = Path('smooth.nii.gz').absolute()
    smooth_img(in_file, fwhm_mm).to_filename(out_file)
    return str(out_file)


def list_sound(in_files, findings_file):
    """Give the places in the list of those maps that nothing was found about."""
    from pathlib import Path

    import pandas as pd

    named = set(pd.read_csv(findings_file, sep='\t')['where'])
    return [index for index, path in enumerate(in_files) if Path(path).parent.name not in named]


def fit_group(in_files, mask_file):
    """Fit the mean of the group with nilearn; give z where the false discovery rate is 5 %."""
    from pathlib import Path

    import pandas as pd
    from nilearn.glm import threshold_stats_img
    from nilearn.glm.second_level import SecondLevelModel

    design = pd.DataFrame({'intercept': [1] * len(in_files)})
    model = SecondLevelModel(mask_img=mask_file).fit(in_files, design_matrix=design)
    z_map = model.compute_contrast('intercept', output_type='z_score')
    found, _ = threshold_stats_img(
        z_map, mask_img=mask_file, alpha=0.05, height_control='fdr', two_sided=True
    )
    out_file = Path('z.nii.gz').absolute()
    found.to_filename(out_file)
    return str(out_file)


def draw_map(in_file, title):
    """Draw a map on slices with nilearn."""
    from pathlib import Path

    from nilearn.plotting import plot_stat_map

    out_file = Path('slices.png').absolute()
    display = plot_stat_map(
        in_file,
        display_mode='z',
        cut_coords=[-20, 12, 48, 56, 64],
        threshold=2.0,
        vmax=8.0,
        cmap='RdBu_r',
        black_bg=False,
    )
    display.title(title, size=11, color='black', bgcolor='white')
    display.savefig(str(out_file), dpi=150)
    display.close()
    return str(out_file)


# %%
# The pipeline
# ------------
# Dropping whatever is named is for an example. Look at such a map first: both of these could be
# put right.

smooth = pe.MapNode(
    niu.Function(function=smooth_map, output_names=['out_file']),
    iterfield=['in_file'],
    name='smooth',
)
smooth.inputs.fwhm_mm = 6
sound = pe.Node(niu.Function(function=list_sound, output_names=['index']), name='list_sound')
select = pe.Node(niu.Select(), name='select')
workflow = pe.Workflow(name='work', base_dir=str(out_dir))
workflow.connect([
    (check_maps, sound, [('findings_file', 'findings_file')]),
    (sound, select, [('index', 'index')]),
    (smooth, select, [('out_file', 'inlist')]),
])  # fmt: skip
titles = {'everybody': 'All maps, q < .05', 'checked': 'Maps that passed the check, q < .05'}
for name, title in titles.items():
    fit = pe.Node(niu.Function(function=fit_group, output_names=['z_file']), name=f'fit_{name}')
    draw = pe.Node(
        niu.Function(function=draw_map, output_names=['figure_file']), name=f'draw_{name}'
    )
    draw.inputs.title = title
    workflow.connect(fit, 'z_file', draw, 'in_file')
workflow.connect(smooth, 'out_file', workflow.get_node('fit_everybody'), 'in_files')
workflow.connect(select, 'out', workflow.get_node('fit_checked'), 'in_files')


# %%
# What was planted, and what was found
# ------------------------------------


def break_map(path, factor):
    """Multiply the values of a map, in place."""
    image = nib.load(path)
    nib.Nifti1Image(factor * image.get_fdata(), image.affine).to_filename(path)


def check(z_file, planted):
    """Compare what passes the threshold with where effects are strong, and where none are."""
    passes = nib.load(z_file).get_fdata() != 0
    return {
        'voxels': int(passes.sum()),
        'found': float(passes[abs(planted) > 0.5].mean()),
        'elsewhere': int(passes[planted == 0].sum()),
    }


# %%
# Run it
# ------

# Plugins with processes of their own import this script again; only the first run runs.
if __name__ == '__main__':
    group = simulate_group(
        out_dir / 'maps',
        n_subjects=args.n_subjects,
        resolution_mm=args.resolution,
        hole_fraction=0.0,
    )
    broken = {'sub-05': -1.0, 'sub-11': 10.0}
    for path in group.effect_files:
        if Path(path).parent.name in broken:
            break_map(path, broken[Path(path).parent.name])
    check_maps.inputs.in_files = group.effect_files
    sound.inputs.in_files = group.effect_files
    smooth.inputs.in_file = group.effect_files
    for name in titles:
        workflow.get_node(f'fit_{name}').inputs.mask_file = group.mask_file
    graph = workflow.run(plugin=args.plugin, plugin_args={'n_procs': args.n_procs})
    results = {node.name: node.result.outputs for node in graph.nodes()}

    findings = pd.read_csv(results['check_maps'].findings_file, sep='\t')
    planted = nib.load(group.truth_file).get_fdata()
    answer = {
        'broken': sorted(broken),
        'named': sorted(set(findings['where'])),
        **{name: check(results[f'fit_{name}'].z_file, planted) for name in titles},
    }
    (out_dir / 'answer.json').write_text(json.dumps(answer, indent=2))
    for where, problem in zip(findings['where'], findings['problem'], strict=True):
        print(f'{where}: {problem}')
    for name in titles:
        each = answer[name]
        print(
            f'{name}: {each["found"]:.0%} of the strong planted effects found, '
            f'{each["elsewhere"]} of {each["voxels"]} voxels where there is none'
        )
    everybody, checked = answer['everybody'], answer['checked']
    assert answer['named'] == answer['broken'], 'The check names other maps than were broken.'
    assert checked['found'] > 0.8, 'What was planted is missed.'
    assert checked['elsewhere'] <= 0.15 * checked['voxels'], 'What was not planted is found.'
    assert everybody['found'] < checked['found'] / 2, 'The broken maps do no harm.'

    for name in titles:
        picture = out_dir / f'{name}.png'
        shutil.copyfile(results[f'draw_{name}'].figure_file, picture)
        print(f'picture: {picture}')
