"""
Two samples with a covariate: patients against controls
=======================================================

Do patients and controls differ, at the same age? And does age matter?

A table says who is a patient and how old everyone is; a formula makes the design of
it. The prebuilt workflow checks the design, smooths, fits, tests both contrasts by
permutation with TFCE, and writes figures and a report. The group is simulated, with a
difference planted in the right middle frontal gyrus and an effect of age in the
calcarine sulcus, so that the answer can be checked at the end.

Run it with ``python workflows/02_two_samples_with_covariate.py``. For a paper, take
``--n-perm 10000``.
"""

# %%
# What to run, and where
# ----------------------

import argparse
import json
from pathlib import Path

import nibabel as nib

from nistats_nipype.datasets import simulate_group
from nistats_nipype.workflows import init_second_level_wf

parser = argparse.ArgumentParser()
parser.add_argument('--out', default='two_samples', help='folder of everything')
parser.add_argument('--n-subjects', type=int, default=30, help='simulated subjects')
parser.add_argument('--resolution', type=int, default=4, help='edge of a voxel in mm')
parser.add_argument('--n-perm', type=int, default=500, help='relabellings (advised: 10000)')
parser.add_argument('--plugin', default='MultiProc', help="nipype's execution plugin")
parser.add_argument('--n-procs', type=int, default=2, help='processes of MultiProc')
args = parser.parse_args()
out_dir = Path(args.out).absolute()

# %%
# The analysis
# ------------
# ``group[T.patient]`` is the column that the formula makes of ``group``: what patients have
# more than controls. ``age`` is in years; it stands beside the group as a covariate, and is
# tested itself.

workflow = init_second_level_wf(
    formula='group + age',
    contrasts={'patients': 'group[T.patient]', 'age': 'age'},
    fwhm_mm=6,
    n_perm=args.n_perm,
    tfce=True,
    title='Patients against controls (simulated)',
    out_dir=out_dir,
)
workflow.base_dir = str(out_dir / 'work')


# %%
# What was planted, and what was found
# ------------------------------------
# Where the corrected p of TFCE is below .05, how much of it was planted?


def check(contrast, truth_file):
    """Compare what TFCE finds with the truth; give the share of it that was planted."""
    found_file = out_dir / f'contrast-{contrast}_stat-p_desc-tfceFWE_statmap.nii.gz'
    found = nib.load(found_file).get_fdata() < 0.05
    planted = nib.load(truth_file).get_fdata() != 0
    return {'voxels': int(found.sum()), 'planted': float(planted[found].mean())}


# %%
# Run it
# ------
# Maps and table are inputs of the workflow.

# Plugins with processes of their own import this script again; only the first run runs.
if __name__ == '__main__':
    group = simulate_group(
        out_dir / 'maps', n_subjects=args.n_subjects, resolution_mm=args.resolution
    )
    workflow.inputs.inputnode.in_files = group.effect_files
    workflow.inputs.inputnode.table_file = group.participants_file
    workflow.run(plugin=args.plugin, plugin_args={'n_procs': args.n_procs})
    answer = {
        'patients': check('patients', group.truth_group_file),
        'age': check('age', group.truth_age_file),
    }
    (out_dir / 'answer.json').write_text(json.dumps(answer, indent=2))
    for name, each in answer.items():
        print(f'{name}: {each["voxels"]} voxels, {each["planted"]:.0%} of them planted')
    for picture in sorted((out_dir / 'figures').glob('*tfceFWE*glass*')):
        print(f'picture: {picture}')
    print(f'report:  {out_dir / "report.html"}')
