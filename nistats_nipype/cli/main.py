"""Entry point of the command line."""

import os
import sys

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
        Exit code: 0 if all went well, 1 if the analysis failed, 2 if the arguments
        cannot be used.
    """
    args = get_parser().parse_args(argv)
    # nipype asks a server for its newest version when it is imported.
    os.environ.setdefault('NIPYPE_NO_ET', '1')
    from ..exceptions import NistatsNipypeError

    try:
        if args.command == 'graph':
            from .graph import draw_graph

            return draw_graph(args)
        from .run import run_analysis

        return run_analysis(args)
    except NistatsNipypeError as error:
        print(f'nistats-nipype {args.command}: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('\nInterrupted. The same command resumes where it stopped.', file=sys.stderr)
        return 130


if __name__ == '__main__':
    sys.exit(main())
