"""Entry point of the command line."""

import os
import sys

from .interrupts import exit_code, interruptible
from .parser import get_parser


def main(argv=None):
    """Run ``nistats-nipype``.

    Parameters
    ----------
    argv : list of str, optional
        Arguments; by default those of the process.

    Returns
    -------
    int
        Exit code: 0 if all went well, 1 if the analysis failed or the checks found errors, 2 if
        the arguments cannot be used, 130 if it was interrupted, 143 if it was terminated.
    """
    argv = sys.argv[1:] if argv is None else argv
    if not argv:
        get_parser().print_help(sys.stderr)
        return 2
    args = get_parser().parse_args(argv)
    # nipype asks a server for its newest version when it is imported.
    os.environ.setdefault('NIPYPE_NO_ET', '1')
    from ..exceptions import NistatsNipypeError

    try:
        with interruptible():
            if args.command == 'plugins':
                from .usable import show_plugins

                return show_plugins(sys.stdout)
            if args.command == 'check':
                from .check import run_check

                return run_check(args)
            if args.command == 'graph':
                from .graph import draw_graph

                return draw_graph(args)
            if args.command == 'design':
                from .standard import write_design

                return write_design(args)
            from .run import run_analysis

            return run_analysis(args, argv)
    except NistatsNipypeError as error:
        print(f'nistats-nipype {args.command}: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('\nInterrupted before anything ran.', file=sys.stderr)
        return exit_code()


if __name__ == '__main__':
    sys.exit(main())
