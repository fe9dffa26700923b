"""What crash files say, made by nodes that fail."""

import os

import pytest
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    SimpleInterface,
    TraitedSpec,
    traits,
)
from nipype.pipeline import engine as pe

from nistats_nipype.cli.failures import read_failures
from nistats_nipype.exceptions import DesignError, InputError


class _FailInputSpec(BaseInterfaceInputSpec):
    how = traits.Str(desc='which error')
    item = traits.Int(desc='an iterfield')


class _FailOutputSpec(TraitedSpec):
    out = traits.Any(desc='never')


class Stop(BaseException):
    """No Exception, and not named as one."""


class Fail(SimpleInterface):
    """Fail in one of several ways."""

    input_spec = _FailInputSpec
    output_spec = _FailOutputSpec

    def _run_interface(self, runtime):
        if self.inputs.how == 'ours':
            raise DesignError(
                'The design is wrong: really.',
                found='this\tand that',
                expected='a right one',
                advice='Write nistats_nipype.exceptions.DesignError: no, do not.',
            )
        if self.inputs.how == 'chained':
            try:
                raise InputError('The cause.', found='deep down')
            except InputError as error:
                raise DesignError('The consequence.', found='high up') from error
        if self.inputs.how == 'key':
            return {}['missing key']
        if self.inputs.how == 'memory':
            raise MemoryError
        if self.inputs.how == 'lines':
            raise ValueError('first line\nsecond line')
        raise Stop('unnamed')


def crash(folder, plugin, *hows, cls=pe.Node, **kwargs):
    """Run nodes that fail; give the failures that are read."""
    workflow = pe.Workflow('second_level_wf', base_dir=str(folder / 'work'))
    inner = pe.Workflow('contrast_aVsB_wf')
    for number, how in enumerate(hows):
        node = cls(Fail(how=how), name=f'fail_{number}', **kwargs)
        if cls is pe.MapNode:
            node.inputs.item = [0, 1]
        inner.add_nodes([node])
    workflow.add_nodes([inner])
    workflow.config['execution'] = {
        'poll_sleep_duration': 0.05,
        'stop_on_first_crash': False,
        'crashdump_dir': str(folder / 'crash'),
        'crashfile_format': 'txt',
    }
    with pytest.raises(Exception):  # noqa: B017, PT011 - of many classes; the crash file tells
        workflow.run(plugin=plugin, plugin_args={'n_procs': 1} if plugin == 'MultiProc' else {})
    return read_failures(folder / 'crash')


@pytest.mark.parametrize('plugin', ['Linear', 'MultiProc'])
@pytest.mark.parametrize(
    ('how', 'message'),
    [
        (
            'ours',
            'The design is wrong: really.\n'
            '  found:    thisand that\n'
            '  expected: a right one\n'
            '  to do:    Write nistats_nipype.exceptions.DesignError: no, do not.',
        ),
        ('chained', 'The consequence.\n  found:    high up'),
        ('key', "KeyError: 'missing key'"),
        ('memory', 'MemoryError'),
    ],
)
def test_messages(tmp_path, plugin, how, message):
    (failure,) = crash(tmp_path, plugin, how)
    assert failure.message == message
    assert failure.node == 'aVsB: fail_0'
    assert os.path.isfile(failure.crash_file)


def test_other_errors_give_at_least_a_line(tmp_path):
    assert crash(tmp_path / 'a', 'Linear', 'lines')[0].message == 'ValueError: first line'
    assert 'unnamed' in crash(tmp_path / 'b', 'Linear', 'stop')[0].message


def test_failures_with_one_message_are_listed_once(tmp_path):
    failures = crash(tmp_path, 'Linear', 'ours', 'key', 'ours')
    assert sorted(failure.message.split()[0] for failure in failures) == ['KeyError:', 'The']


def test_an_item_of_a_map_node_is_named_with_its_contrast(tmp_path):
    failures = crash(tmp_path, 'MultiProc', 'key', cls=pe.MapNode, iterfield=['item'])
    assert failures[0].node.startswith('aVsB: fail_0, job ')


def test_the_first_failure_comes_first(tmp_path):
    for second, name in enumerate(['z', 'a', 'm']):
        path = tmp_path / f'crash-20260101-000000-me-{name}-uuid.txt'
        path.write_text(f'Node: wf.{name}\nWorking directory: /w/{name}\n\nKeyError: {name!r}\n')
        os.utime(path, ns=(second, second))
    assert [failure.node for failure in read_failures(tmp_path)] == ['z', 'a', 'm']


def test_no_folder_no_failures(tmp_path):
    assert read_failures(tmp_path / 'none') == []


def test_a_file_that_is_cut_off_is_still_told_of(tmp_path):
    (tmp_path / 'crash-1.txt').write_text('Node: wf.a\nWorking dir')
    (failure,) = read_failures(tmp_path)
    assert failure.message == 'Working dir'
    assert failure.node == 'crash-1'
