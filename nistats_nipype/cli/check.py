"""Check an analysis without running it, and say what was found."""

import json
import shutil
import textwrap

#: Lines are not longer than this, on terminals that are wider.
_WIDTH = 96


def check_analysis(args, maps, tmaps, contrasts, covariates=None):
    """Check a model as the workflow will.

    Parameters
    ----------
    args : argparse.Namespace
    maps, tmaps : list of str
    contrasts : dict of {str: definition} or None
    covariates : dict of {str: list of str}, optional
        Maps of the voxelwise covariates.

    Returns
    -------
    list of Finding
        See :func:`nistats_nipype.designs.lint.lint_design`.
    """
    from ..designs.lint import Request, lint_design

    auto_groups = args.variance_groups == 'auto'
    return lint_design(
        maps,
        args.formula,
        args.table,
        contrasts,
        design_file=args.design_mat,
        bids_model_file=args.bids_model,
        bids_model_node=args.bids_model_node,
        blocks_file=args.blocks,
        variance_groups_file=None if auto_groups else args.variance_groups,
        tmap_files=tmaps,
        covariates=covariates,
        request=Request(
            n_perm=args.n_perm,
            model=args.model,
            errors=args.errors,
            method=args.method,
            sidedness=args.sidedness,
            alpha=args.alpha_fwe,
            tail=args.tail,
            auto_groups=auto_groups,
            correct_contrasts=args.correct_contrasts,
            missing=args.missing,
        ),
    )


def as_notes(findings):
    """Give the warnings among findings, and errors that do not end it, as notes to a run."""
    return [
        f'{each.where}: {each.problem} {each.advice}'
        for each in findings
        if each.severity != 'note'
    ]


def run_check(args):
    """Run ``check``; return the exit code: 1 if there are errors, otherwise 0.

    Raises
    ------
    InputError
        If the arguments contradict each other, or name files that cannot be used.
    """
    from ..designs.findings import sort_findings
    from ..designs.lint_maps import lint_maps
    from .build import build_run

    analysis = build_run(args, 'results', strict=False)
    inputs = analysis.workflow.get_node('inputnode').inputs.get_traitsfree()
    findings = analysis.findings + lint_maps(
        inputs['in_files'],
        groups=_groups(args, inputs['in_files'], analysis.findings),
        mask_file=inputs.get('mask_file'),
        zero_is_missing=not args.zero_is_data,
    )
    findings = sort_findings(findings)
    if args.json:
        print(json.dumps([_as_dict(finding) for finding in findings], indent=2))
    else:
        print(format_findings(findings, min(_WIDTH, shutil.get_terminal_size().columns)))
    return int(any(finding.severity == 'error' for finding in findings))


def _groups(args, maps, findings):
    """Groups whose variances are compared, if the design has been found to be sound."""
    from ..designs.lint_maps import groups_of_design
    from .designs import load_design_of_arguments

    known = args.variance_groups or args.unmatched == 'drop'
    if known or any(each.severity == 'error' for each in findings):
        return None
    return groups_of_design(load_design_of_arguments(args, maps)[0])


def _as_dict(finding):
    fields = finding._asdict()
    return {name: fields[name] for name in ('severity', 'code', 'where', 'problem', 'advice')}


def format_findings(findings, width=_WIDTH):
    """Write findings as plain text.

    Parameters
    ----------
    findings : list of Finding
    width : int, default 96
        Longest line.

    Returns
    -------
    str

    Examples
    --------
    >>> from nistats_nipype.designs.findings import Finding
    >>> age = Finding('warning', 'outlier', 'age', 'age is 340 for sub-04.', 'Correct it.')
    >>> print(format_findings([age]))
    warning  age (outlier)
             age is 340 for sub-04.
             To do: Correct it.
    <BLANKLINE>
    no errors, 1 warning, no notes
    """
    from ..designs.findings import count_findings

    indent = ' ' * 9
    lines = []
    for each in findings:
        lines.append(f'{each.severity:8} {each.where} ({each.code})')
        for text in (each.problem, each.advice and f'To do: {each.advice}'):
            for part in text.splitlines():
                lines += textwrap.wrap(
                    part, max(width, 40), initial_indent=indent, subsequent_indent=indent,
                    break_on_hyphens=False, break_long_words=False,
                )  # fmt: skip
        lines.append('')
    return '\n'.join([*lines, count_findings(findings)])
