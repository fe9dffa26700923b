"""The command from end to end, in a process of its own."""

import html
import os
import pty
import re
import shlex
import signal
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nistats_nipype.cli.build import build_demo
from nistats_nipype.cli.parser import get_parser
from nistats_nipype.cli.progress import count_nodes

from .conftest import AFFINE, SHAPE, save_map, spawn

DEMO = ('demo', 'my out', '--n-subjects', 6, '--resolution', 8, '--n-perm', 20)
#: Nodes that run every time: they fill the results folder.
SINKS = {'ds_contrast', 'ds_group'}


def executed(log_file):
    """Names of the nodes that the last run executed, by its part of the log."""
    last = Path(log_file).read_text().rpartition('\n=== ')[2]
    return re.findall(r'\[Node\] Executing "(\w+)"', last)


def contents(folder):
    """Bytes of all results."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def read_terminal(master, until=None):
    """Read a pseudo-terminal until a pattern appears on it, or until its end."""
    shown = b''
    while until is None or not re.search(until, shown):
        try:
            data = os.read(master, 65536)
        except OSError:  # Linux: the other end was closed
            data = b''
        if not data:
            break
        shown += data
    return shown


@pytest.mark.slow
def test_demo_can_be_interrupted_resumed_and_repeated(tmp_path, command):
    log = tmp_path / 'my out' / 'logs' / 'nipype.log'
    args = get_parser().parse_args([str(argument) for argument in DEMO])
    n_nodes = count_nodes(build_demo(args, tmp_path).workflow)
    # Ctrl-C on a terminal, when the first nodes are done.
    master, slave = pty.openpty()
    terminal = {'stdin': slave, 'stdout': slave, 'stderr': slave, 'start_new_session': True}
    environment = {**os.environ, 'TERM': 'xterm-256color', 'COLUMNS': '80', 'LINES': '24'}
    # A child inherits it if this process was started to ignore Ctrl-C, as in the background.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = spawn(*DEMO, cwd=tmp_path, env=environment, text=False, **terminal)
    signal.signal(signal.SIGINT, handler)
    os.close(slave)
    shown = read_terminal(master, until=rb'[4-9]/\d\d')
    os.killpg(process.pid, signal.SIGINT)
    asked = time.monotonic()
    shown += read_terminal(master)
    assert process.wait(timeout=60) == 130, shown.decode()
    assert time.monotonic() - asked < 30
    os.close(master)
    text = shown.decode()
    assert '━━━━' in text
    assert f'/{n_nodes}' in text
    assert text.count('\x1b[?25l') == text.count('\x1b[?25h') == 1
    assert 'The same command resumes' in re.sub(r'\x1b\[[\d;?]*\w', '', text)
    # nipype's own lines, of this process and of its workers, are in the log only.
    assert 'nipype.workflow' not in text
    assert 'nipype.workflow' in log.read_text()
    assert 'simulate_group' in executed(log)
    with pytest.raises(ProcessLookupError):  # no worker of its session is left
        os.killpg(process.pid, 0)

    # The same command resumes, in lines because the output is a pipe.
    code, output = command(*DEMO)
    assert code == 0, output
    assert '\x1b' not in output
    assert 'Unchanged steps are taken from' in output
    counts = re.findall(r'^\[(\d+)/(\d+)\] [\w: ]+ done$', output, re.MULTILINE)
    assert counts == [(str(number), str(n_nodes)) for number in range(1, n_nodes + 1)]
    assert 'simulate_group' not in executed(log)
    assert 'make_report' in executed(log)
    places = dict(re.findall(r'^(report|results|figures|work|log) +(/.*)$', output, re.MULTILINE))
    assert len(places) == 5
    assert all(os.path.exists(path) for path in places.values())
    assert places['report'].startswith(f'{tmp_path}/my out/')
    report = html.unescape(Path(places['report']).read_text())
    assert f'nistats-nipype {shlex.join(map(str, DEMO))}' in report
    assert re.search(r'<dt>Plugin</dt>\s*<dd>MultiProc</dd>', report)

    # Repeated, it computes nothing and leaves the same results.
    before = contents(tmp_path / 'my out')
    code, output = command(*DEMO)
    assert code == 0
    assert set(executed(log)) == SINKS
    assert output.count(f'[{n_nodes}/{n_nodes}]') == 1
    assert contents(tmp_path / 'my out') == before


@pytest.mark.slow
def test_groups_covariates_and_f_contrasts(group, tmp_path, command):
    save_map(np.broadcast_to(group.data.any(axis=0), SHAPE), tmp_path / 'mask.nii')
    code, output = command(
        *('run', 'out', '--table', group.table, '--maps', f'{group.folder}/*.nii.gz'),
        *('--formula', 'age + site', '--contrast', 'c - b=site[T.c] - site[T.b]'),
        *('--contrast', 'commas=site[T.b], site[T.c]'),
        *('--contrast', 'weights=[[0, 0, 1, 0], [0, 0, 0, 1]]'),
        *('--mask', 'mask.nii', '--fwhm', 0, '--n-perm', 0, '--plugin', 'Linear'),
    )
    assert code == 0, output
    counts = re.findall(r'^\[(\d+)/(\d+)\]', output, re.MULTILINE)
    assert [int(number) for number, _ in counts] == list(range(1, len(counts) + 1))
    assert {total for _, total in counts} == {str(len(counts))}
    assert all(f'\n{name}: ' in output for name in ('c - b', 'commas', 'weights'))

    out = tmp_path / 'out'
    frame = group.frame
    by_hand = np.column_stack([
        np.ones(12), frame['age'], frame['site'] == 'b', frame['site'] == 'c'
    ]).astype(float)  # fmt: skip
    design = pd.read_csv(out / 'design.tsv', sep='\t')
    assert design.columns.tolist() == ['intercept', 'age', 'site[T.b]', 'site[T.c]']
    np.testing.assert_array_equal(design.to_numpy(), by_hand)

    mask = group.data.any(axis=0)
    data = group.data[:, mask].astype(np.float64)
    full = np.linalg.lstsq(by_hand, data, rcond=None)[1]
    reduced = np.linalg.lstsq(by_hand[:, :2], data, rcond=None)[1]
    f = (reduced - full) / 2 / (full / 8)
    for label in ('commas', 'weights'):
        found = nib.load(out / f'contrast-{label}_stat-F_statmap.nii.gz').get_fdata()
        np.testing.assert_allclose(found[mask], f, rtol=1e-3)
    weights = np.array([0, 0, -1, 1])
    beta = np.linalg.lstsq(by_hand, data, rcond=None)[0]
    variance = full / 8 * (weights @ np.linalg.inv(by_hand.T @ by_hand) @ weights)
    found = nib.load(out / 'contrast-cB_stat-t_statmap.nii.gz').get_fdata()
    np.testing.assert_allclose(
        found[mask], weights @ beta / np.sqrt(variance), rtol=1e-3, atol=1e-4
    )


@pytest.mark.slow
def test_a_run_that_fails_says_where_and_why(group, tmp_path, command):
    # A hole in one map, inside the given mask: only reading the data tells.
    maps = [str(path) for path in group.maps]
    data = group.data[0].copy()
    data[6, 6, 6] = np.nan
    maps[0] = save_map(data, tmp_path / 'sub-01_hole.nii.gz', AFFINE)
    save_map(group.data.any(axis=0), tmp_path / 'mask.nii')
    arguments = ('run', 'out', '--maps', *maps, '--mask', 'mask.nii', '--fwhm', 0, '--n-perm', 0)
    code, output = command(*arguments)
    assert code == 1
    failed = re.findall(r'^\[\d+/\d+\] (.*) FAILED$', output, re.MULTILINE)
    assert failed == ['fit_glm']
    assert 'The analysis failed.' in output
    assert re.search(r'^fit_glm: .*\n  found: ', output, re.MULTILINE)
    assert 'Traceback' not in output
    (crash,) = re.findall(r'details:  (.*)$', output, re.MULTILINE)
    assert 'MissingDataError' in Path(crash).read_text()
    assert not (tmp_path / 'out' / 'report.html').exists()
    assert 'Finished' not in output


@pytest.mark.slow
def test_bad_arguments_leave_nothing_behind(tmp_path, command):
    for arguments in (
        ('run', 'out', '--maps', 'none/*.nii'),
        ('run', 'out', '--maps', 'none/*.nii', '--alpha-fwe', 5),
        ('demo', 'out', '--plugin', 'Nope'),
    ):
        code, output = command(*arguments)
        assert code == 2
        assert 'Traceback' not in output
        assert output.startswith(f'nistats-nipype {arguments[0]}: ')
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_published_numbers_through_the_command(data_dir, tmp_path, command):
    """Wager et al. (2008), one-sample t, FDR q < .05, as published by CANlab."""
    from nistats_nipype.interfaces import Threshold

    wager = data_dir / 'wager2008'
    code, output = command(
        *('run', 'out', '--maps', f'{wager}/con_*.img', '--mask', wager / 'mask.nii.gz'),
        *('--missing', 'per_voxel', '--fwhm', 0, '--n-perm', 0, '--connectivity', 18),
    )
    assert code == 0, output
    out = tmp_path / 'out'
    threshold = Threshold(
        in_file=str(out / 'contrast-mean_stat-z_statmap.nii.gz'),
        mask_file=str(out / 'mask.nii.gz'),
        method='fdr',
        alpha=0.05,
        connectivity=18,
    )
    found = threshold.run(cwd=str(tmp_path)).outputs
    metadata = pd.read_json(found.metadata_file, typ='series')
    assert 2 * stats.norm.sf(metadata['Threshold']) == pytest.approx(0.002549, abs=5e-7)
    assert metadata['NumberOfVoxelsPositive'] == 2503
    assert metadata['NumberOfVoxelsNegative'] == 37
    assert metadata['NumberOfClusters'] == 27
    assert metadata['LargestCluster'] == 1473
    # t itself, from the images, each voxel with the maps that have it.
    maps = np.stack([
        np.squeeze(nib.load(path).get_fdata()) for path in sorted(wager.glob('con_*.img'))
    ])  # fmt: skip
    mask = nib.load(wager / 'mask.nii.gz').get_fdata() > 0
    expected = stats.ttest_1samp(maps[:, mask], 0, nan_policy='omit').statistic
    t = nib.load(out / 'contrast-mean_stat-t_statmap.nii.gz').get_fdata()[mask]
    np.testing.assert_allclose(t, np.ma.filled(expected, np.nan), rtol=2e-5, atol=1e-6)
