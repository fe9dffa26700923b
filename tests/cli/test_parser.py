"""Arguments that are refused by themselves, before anything is imported."""

import argparse
import sys

import pytest
from scipy.stats import norm

from nistats_nipype import __version__
from nistats_nipype.cli.main import main
from nistats_nipype.cli.parser import get_parser
from nistats_nipype.cli.values import p_value


def refuse(capsys, *arguments):
    """Parse arguments that cannot be used; give the message."""
    with pytest.raises(SystemExit) as exit_:
        get_parser().parse_args(list(arguments))
    assert exit_.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ''
    return captured.err


@pytest.mark.parametrize(
    ('option', 'value', 'expected'),
    [
        ('--n-perm', '-1', 'at least 0'),
        ('--n-perm', '1e4', 'a whole number'),
        ('--n-chunks', '0', 'at least 1'),
        ('--n-procs', '0', 'at least 1'),
        ('--n-threads', '0', 'at least 1'),
        ('--seed', '-1', 'from 0 to'),
        ('--cluster-threshold', '-1', 'at least 0'),
        ('--fwhm', '-3', '0 or above'),
        ('--fwhm', 'nan', '0 or above'),
        ('--fwhm', 'inf', '0 or above'),
        ('--subject-threshold', '-2', '0 or above'),
        ('--min-coverage', '90', 'at most 1'),
        ('--min-coverage', '0', 'above 0'),
        ('--alpha-fwe', '0', 'between 0 and 1'),
        ('--alpha-fwe', '1', 'between 0 and 1'),
        ('--alpha-fwe', 'low', 'between 0 and 1'),
        ('--connectivity', '8', '6, 18, 26'),
        ('--missing', 'zero', 'drop_voxel'),
    ],
)
def test_values_out_of_range_are_refused_with_the_range(capsys, option, value, expected):
    message = refuse(capsys, 'run', 'out', option, value)
    first, *_, last = message.splitlines()
    assert first.startswith(f'nistats-nipype run: argument {option}:')
    assert value in first
    assert expected in first
    # Not the usage of 30 options, under which the message drowns.
    assert last == 'Help: nistats-nipype run --help'
    assert len(message.splitlines()) <= 3


def test_a_z_in_place_of_p_is_translated():
    with pytest.raises(argparse.ArgumentTypeError, match='between 0 and 1') as error:
        p_value('3.1')
    assert f'{norm.sf(3.1):.3g} one-sided' in str(error.value)
    assert f'{2 * norm.sf(3.1):.3g} two-sided' in str(error.value)


@pytest.mark.parametrize('value', ['50', '-1', 'inf'])
def test_only_what_could_be_a_z_is_taken_for_one(value):
    with pytest.raises(argparse.ArgumentTypeError) as error:
        p_value(value)
    assert 'sided' not in str(error.value)


@pytest.mark.parametrize(
    ('unknown', 'hint'),
    [
        ('--n-chunk5', 'Did you mean --n-chunks?'),
        ('--contrats=a=b', 'Did you mean --contrast?'),
        ('sub-01.nii', 'Maps go behind --maps.'),
    ],
)
def test_unknown_arguments_get_a_hint(capsys, unknown, hint):
    message = refuse(capsys, 'run', 'out', unknown)
    assert f'unknown argument: {unknown}' in message
    assert hint in message


def test_an_argument_like_no_other_gets_no_hint(capsys):
    assert 'Did you mean' not in refuse(capsys, 'demo', 'out', '--zzzz')


def test_options_that_start_alike_are_told_apart(capsys):
    message = refuse(capsys, 'run', 'out', '--alpha', '0.05')
    assert '--alpha-uncorrected' in message
    assert '--alpha-fwe' in message


@pytest.mark.parametrize('resolution', ['0', '9'])
def test_demo_knows_the_resolutions_of_the_simulation(capsys, resolution):
    assert 'from 1 to 8' in refuse(capsys, 'demo', 'out', '--resolution', resolution)


def test_without_a_command_the_commands_are_listed(capsys):
    assert main([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ''
    assert all(name in captured.err for name in ('demo', 'run', 'graph'))


@pytest.mark.parametrize('arguments', [['--version'], ['--help'], ['run', '--help']])
def test_help_and_version_end_well(capsys, arguments):
    with pytest.raises(SystemExit) as exit_:
        get_parser().parse_args(arguments)
    assert exit_.value.code == 0
    assert (__version__ if '--version' in arguments else 'usage:') in capsys.readouterr().out


def test_every_option_is_explained_and_shows_its_default():
    commands = get_parser()._subparsers._group_actions[0].choices
    for name, parser in commands.items():
        for action in parser._actions:
            assert action.help, (name, action.dest)
            if action.option_strings and action.default not in (None, False, argparse.SUPPRESS):
                text = parser._get_formatter()._expand_help(action)
                shown = f'default: {action.default}'
                assert shown in text or action.dest == 'title', (name, action.dest)


def test_graph_takes_every_option_of_run():
    commands = get_parser()._subparsers._group_actions[0].choices
    assert set(commands['run']._option_string_actions) <= set(
        commands['graph']._option_string_actions
    )


def test_arguments_default_to_those_of_the_process(monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['nistats-nipype', '--version'])
    with pytest.raises(SystemExit):
        main()
    assert __version__ in capsys.readouterr().out
