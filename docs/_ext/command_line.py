"""The parser of the command line as sphinx-argparse reads it: help texts as reStructuredText."""

import argparse
import re

from interface_tables import escape

from nistats_nipype.cli import parser as cli_parser


def get_parser():
    """Build the parser, with markup escaped in all help texts and options in literal type."""
    parser = cli_parser.get_parser()
    (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    for command in commands.choices.values():
        if command.epilog:
            command.epilog = command.epilog.replace('examples:\n', 'Examples::\n\n')
        for action in command._actions:
            if action.help not in (None, argparse.SUPPRESS):
                action.help = re.sub(r'(?<![\w-])(--[a-z][a-z-]*)', r'``\1``', escape(action.help))
    return parser
