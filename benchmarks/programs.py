"""Contenders: programs on PATH, with files written for them before they are measured.

Each maker returns a contender that asks a program for something by further arguments.
"""

import subprocess
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
from measuring import Program
from ours import THRESHOLD_Z, cluster_threshold


def _folder(problem):
    """Write a problem as uncompressed images; return their folder, of which TMPDIR gets rid."""
    folder = Path(tempfile.mkdtemp())
    nib.save(nib.Nifti1Image(problem.mask.astype(np.uint8), problem.affine), folder / 'mask.nii')
    nib.save(nib.Nifti1Image(problem.volumes(problem.values), problem.affine), folder / '4d.nii')
    return folder


def _read(folder, problem, **names):
    """Return a function that reads maps of the results: name=pattern of the file."""

    def read():
        files = {name: next(folder.glob(pattern)) for name, pattern in names.items()}
        return {name: nib.load(file).get_fdata()[problem.mask] for name, file in files.items()}

    return read


def randomise(asked):
    """Contender: FSL, one side, with ``-x`` for voxels, ``-T`` for TFCE or ``-C`` for mass."""

    def contender(problem, n_perm):
        folder = _folder(problem)
        inputs = ['-i', f'{folder}/4d.nii', '-m', f'{folder}/mask.nii', '-o', f'{folder}/out']
        if problem.design.shape[1] == 1:
            model = ['-1']
        else:
            _write_vest(folder / 'design.mat', problem.design)
            _write_vest(folder / 'design.con', problem.contrast[None])
            model = ['-d', f'{folder}/design.mat', '-t', f'{folder}/design.con']
        height = [f'{cluster_threshold(problem):.6f}'] if asked == '-C' else []
        settings = ['-R', '-n', str(n_perm), '--seed=1', '--quiet']
        command = ['randomise', *inputs, *model, asked, *height, *settings]
        return Program(command, _read(folder, problem, t='out_tstat1.*'))

    return contender


def _write_vest(path, matrix):
    """Write a matrix in the text format of FSL."""
    header = f'/NumWaves {matrix.shape[1]}\n/NumPoints {len(matrix)}\n\n/Matrix'
    np.savetxt(path, matrix, header=header, comments='')


def palm(*asked):
    """Contender: PALM, two sides; voxels always."""

    def contender(problem, n_perm):
        folder = _folder(problem)
        np.savetxt(folder / 'design.csv', problem.design, delimiter=',')
        np.savetxt(folder / 'contrast.csv', problem.contrast[None], delimiter=',')
        inputs = ['-i', f'{folder}/4d.nii', '-m', f'{folder}/mask.nii', '-o', f'{folder}/out']
        model = ['-d', f'{folder}/design.csv', '-t', f'{folder}/contrast.csv', '-twotail']
        errors = '-ise' if problem.design.shape[1] == 1 else '-ee'
        command = ['palm', *inputs, *model, errors, '-n', str(n_perm), *asked, '-quiet']
        return Program(command, _read(folder, problem, t='out_vox_tstat.*'))

    return contender


def mrclusterstats(*asked):
    """Contender: MRtrix3, one side; it turns t into z and enhances that, in steps of 0.1."""

    def contender(problem, n_perm):
        folder = _folder(problem)
        names = [f'{folder}/{index}.nii' for index in range(len(problem.values))]
        for name, values in zip(names, problem.values, strict=True):
            volume = problem.volumes(values[None])[..., 0]
            nib.save(nib.Nifti1Image(volume, problem.affine), name)
        # Names in the list are relative to its folder.
        (folder / 'maps.txt').write_text(''.join(f'{Path(name).name}\n' for name in names))
        np.savetxt(folder / 'design.txt', problem.design)
        np.savetxt(folder / 'contrast.txt', problem.contrast[None])
        files = [f'{folder}/{name}' for name in ('maps.txt', 'design.txt', 'contrast.txt')]
        files += [f'{folder}/mask.nii', f'{folder}/out_']
        settings = ['-errors', 'ise', '-nshuffles', str(n_perm), '-nthreads', '0', '-quiet']
        command = ['mrclusterstats', *files, *settings, *asked]
        return Program(command, _read_extent(folder, problem) if asked else dict)

    return contender


def _read_extent(folder, problem):
    """Return a function that reads the extent of clusters, NaN where the statistic is negative."""

    def read():
        for name in ('clustersize', 'tvalue'):
            files = [f'{folder}/out_{name}.{suffix}' for suffix in ('mif', 'nii')]
            subprocess.run(['mrconvert', '-quiet', *files], check=True)
        maps = _read(folder, problem, extent='out_clustersize.nii', t='out_tvalue.nii')()
        return {'extent': np.where(maps['t'] > 0, maps['extent'], np.nan)}

    return read


#: Arguments for clusters.
MRTRIX_CLUSTERS = ('-threshold', str(THRESHOLD_Z))
PALM_MASS = ('-C', str(THRESHOLD_Z), '-Cstat', 'mass')


def fslmaths(connectivity):
    """Contender: FSL on ready maps, positive side, in 100 steps; files included."""

    def contender(problem, n_maps):
        folder = _folder(problem._replace(values=problem.values[:n_maps]))
        numbers = ['2', '0.5', str(connectivity)]
        return Program(['fslmaths', f'{folder}/4d.nii', '-tfce', *numbers, f'{folder}/out'])

    return contender
