"""Designs that people get wrong, each found; and designs that are right, of which nothing is said.

The wrong ones are told in the words of a person, and changed from a right one in one thing.
"""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from nistats_nipype import exceptions
from nistats_nipype.designs.findings import require_sound
from nistats_nipype.designs.lint import Request, lint_design
from nistats_nipype.designs.tables import subject_label

N = 24
GROUPS = {'patients': 'group[T.patient]'}
FAST = Request(n_perm=200)


def change(table, **columns):
    """Change columns of a table; a function of the column, or new values."""
    return table.assign(
        **{name: new(table[name]) if callable(new) else new for name, new in columns.items()}
    )


def put(values, row, value):
    """Put one value into a column."""
    values = values.astype(object if isinstance(value, str) else values.dtype).copy()
    values.iloc[row] = value
    return values


#: What is wrong -> (change of the table, formula, contrasts, severity, code, where, words).
WRONG = {
    'every patient was scanned at the other site': (
        lambda t: change(t, site=t['group'].map({'control': 'A', 'patient': 'B'})),
        'group + site', GROUPS, 'error', 'confounded', 'site, group',
        ['Each level of group has one level of site', 'Leave site or group out'],
    ),
    'the site that tells the groups was left out of the formula': (
        lambda t: change(t, scanner=t['group'].map({'control': 'A', 'patient': 'B'})),
        'group + age', GROUPS, 'warning', 'confounded', 'scanner',
        ['scanner is not in the formula', 'level of group only'],
    ),
    'age in years and in months': (
        lambda t: change(t, months=12 * t['age']),
        'age + months', {'age': 'age'}, 'error', 'confounded', 'months, age',
        ['months follows from age exactly', 'Leave months or age out'],
    ),
    'age, and age as rounded by another tool': (
        lambda t: change(t, years=t['age'].round()),
        'age + years', {'age': 'age'}, 'warning', 'collinear', 'age',
        ['years', 'variance inflation', 'Leave out years'],
    ),
    'a column for each group, and the intercept': (
        lambda t: change(t, patient=(t['group'] == 'patient') * 1,
                         control=(t['group'] == 'control') * 1),
        'patient + control', {'difference': 'patient - control'}, 'error', 'doubled-intercept',
        'patient, control', ['patient + control is 1 for every map', "'0 + patient + control'"],
    ),
    'a column of ones': (
        lambda t: change(t, ones=1),
        'ones + age', {'age': 'age'}, 'error', 'doubled-intercept', 'ones',
        ['a second intercept', 'Leave ones out'],
    ),
    'no intercept beside a covariate': (
        lambda t: t,
        '0 + age', {'age': 'age'}, 'warning', 'no-intercept', 'age',
        ['forced through 0', "Leave out '0 +'"],
    ),
    'weights of a design with a column for each group': (
        lambda t: t,
        'group', {'patients < controls': [1, -1]}, 'warning', 'contrast-of-another-coding',
        'patients < controls', ['takes group[T.patient] from the intercept', '0 + ...'],
    ),
    'a group alone, in a design with all groups and the intercept': (
        lambda t: change(t, patient=(t['group'] == 'patient') * 1,
                         control=(t['group'] == 'control') * 1),
        'patient + control', {'patients': 'patient'}, 'error', 'not-estimable', 'patients',
        ['depend on others: patient', 'test a difference'],
    ),
    'sites as numbers': (
        lambda t: change(t, site=[1, 2, 3] * (N // 3)),
        'group + site', GROUPS, 'warning', 'numeric-groups', 'site',
        ['1, 2, 3', 'Write C(site)'],
    ),
    'the number of the subject in the formula': (
        lambda t: change(t, subject=range(1, N + 1)),
        'subject + age', {'age': 'age'}, 'error', 'identity-in-formula', 'subject',
        ['no covariate', 'Leave subject out'],
    ),
    'the name of the participant in the formula': (
        lambda t: t,
        'participant_id + age', {'age': 'age'}, 'error', 'identity-in-formula', 'participant_id',
        ['a level of its own for each map', 'Leave participant_id out'],
    ),
    'a covariate that is not known of everyone': (
        lambda t: change(t, age=lambda age: put(age, 4, np.nan)),
        'group + age', GROUPS, 'error', 'variable', 'age',
        ['no value for sub-05', 'Fill in the values'],
    ),
    'a code for a missing value': (
        lambda t: change(t, score=lambda score: put(score, 7, -999)),
        'group + score', GROUPS, 'error', 'missing-code', 'score',
        ['-999 for sub-08', 'Write n/a'],
    ),
    'a slip of the pen': (
        lambda t: change(t, age=lambda age: put(age, 3, 340)),
        'age', {'age': 'age'}, 'warning', 'outlier', 'age',
        ['340 for sub-04', 'slip of the pen'],
    ),
    'a covariate that one subject makes': (
        lambda t: change(t, dose=np.where(np.arange(N) == 9, 5.0, 0.0)),
        'group + dose', GROUPS, 'warning', 'almost-constant', 'dose',
        ['0 for all maps but sub-10', 'Leave dose out'],
    ),
    'a covariate that is the same for all': (
        lambda t: change(t, tr=2.0),
        'group + tr', GROUPS, 'error', 'constant', 'tr', ['2 for every map', 'Leave tr out'],
    ),
    'text in a column of numbers': (
        lambda t: change(t, age=lambda age: put(age, 2, 'unknown')),
        'group + age', GROUPS, 'error', 'variable', 'age',
        ["'unknown' for sub-03", 'Correct the cells'],
    ),
    'commas as decimal signs': (
        lambda t: change(t, age=t['age'].astype(str).str.replace('.', ',')),
        'age', {'age': [0, 1] + [0] * (N - 2)}, 'error', 'number-as-text', 'age',
        ['comma as decimal sign', 'Write a point'],
    ),
    'one group spelt in two ways': (
        lambda t: change(t, group=put(t['group'], 1, 'Patient')),
        'group', {'patients': 'group[T.patient]'}, 'error', 'similar-levels', 'group',
        ["'Patient' and 'patient'", 'Write one of them'],
    ),
    'an interaction at age 0': (
        lambda t: t,
        'group * age', GROUPS, 'warning', 'not-centred', 'age',
        ['the effect of group is that where age is 0', 'center(age)'],
    ),
    'an interaction without the group': (
        lambda t: t,
        'age + group:age', {'slopes': 'group[T.patient]:age'}, 'warning', 'missing-main-effect',
        'group', ['takes up the effect of group', 'group * age'],
    ),
    'the mean at age 0': (
        lambda t: t,
        'age', {'mean': 'intercept'}, 'warning', 'not-centred', 'age',
        ['the mean where age is 0', 'center(age)'],
    ),
    'three patients against many': (
        lambda t: change(t, group=['patient'] * 3 + ['control'] * (N - 3)),
        'group', GROUPS, 'warning', 'unequal-groups', 'group',
        ['21 of control, 3 of patient', '--variance-groups'],
    ),
    'a group of one': (
        lambda t: change(t, arm=['a'] * 11 + ['b'] * 12 + ['c']),
        'arm + age', {'age': 'age'}, 'warning', 'lone-level', 'arm',
        ['One map only is of arm c (sub-24)', 'Leave that map out'],
    ),
    'a covariate that does not exist': (
        lambda t: t, 'group + Age', GROUPS, 'error', 'variable', 'Age', ['spelling'],
    ),
    'a participant twice': (
        lambda t: pd.concat([t, t[2:3]]),
        'group', GROUPS, 'error', 'table', 'participants.tsv', ['duplicate', 'sub-03'],
    ),
    'a map without a row': (
        lambda t: t[1:],
        'group', GROUPS, 'error', 'table', 'participants.tsv', ['sub-01', 'leave out those maps'],
    ),
    'rows that name the map of another': (
        lambda t: change(t, map=[f'sub-{n:02d}_effect.nii' for n in [2, 1, *range(3, N + 1)]]),
        'group', GROUPS, 'error', 'other-participant', 'participant_id',
        ['2 rows', 'sub-02, with sub-01_effect.nii', 'Sort the column'],
    ),
}  # fmt: skip


@pytest.mark.parametrize('what', WRONG)
def test_wrong_tables_and_formulas(study, participants, what):
    spoil, formula, contrasts, severity, code, where, words = WRONG[what]
    findings = study(N).lint(spoil(participants(N)), formula, contrasts, request=FAST)
    (found,) = [each for each in findings if (each.code, each.where) == (code, where)]
    assert found.severity == severity
    for word in words:
        assert word in f'{found.problem} {found.advice}'
    assert findings[0].severity == severity or severity == 'warning'


def test_the_study_without_the_mistakes(study, participants):
    findings = study(N).lint(participants(N), 'group + age', GROUPS, request=FAST)
    assert [each for each in findings if each.severity != 'note'] == []


def within(n_subjects, n_maps=2):
    """Subjects with several maps each, in a table whose first column names the files."""
    names = [f'sub-{s:02d}_c{c}' for s in range(1, n_subjects + 1) for c in range(n_maps)]
    table = pd.DataFrame(
        {
            'map': [f'{name}_effect.nii' for name in names],
            'subject': [name[:6] for name in names],
            'condition': [f'c{name[-1]}' for name in names],
            'group': ['a' if int(name[4:6]) % 2 else 'b' for name in names],
        }
    )
    return names, table


CONDITION = {'condition': 'condition[T.c1]'}
PAIRS = np.repeat(np.arange(1, 13), 2)
EXCHANGE = {
    'two maps of a subject as if of two': (
        'condition', CONDITION, {}, 'error', 'repeated-subjects', 'subject',
        ['12 subjects have several maps', '--blocks', 'C(subject)'],
    ),
    'a paired test without blocks': (
        'condition + subject', CONDITION, {}, 'warning', 'repeated-without-blocks', 'subject',
        ['mix maps of different subjects', 'that of its subject'],
    ),
    'groups of subjects, exchanged within subjects': (
        'group', {'group': 'group[T.b]'}, {'blocks': PAIRS}, 'error', 'nothing-to-relabel',
        'group', ['group[T.b] is the same for all maps of a block', 'exchanging blocks as wholes'],
    ),
    'whole blocks of different sizes': (
        'group', {'group': 'group[T.b]'},
        {'blocks': np.column_stack([np.ones(24), np.r_[1, PAIRS[:-1]], np.arange(1, 25)])},
        'error', 'blocks', 'blocks.csv', ['different sizes', 'Exchange observations within'],
    ),
    'blocks of another order than the maps': (
        'condition + subject', CONDITION, {'blocks': np.tile(np.arange(1, 13), 2)},
        'warning', 'blocks-split-subjects', 'subject', ['another order', 'subject decides'],
    ),
    'blocks of another study': (
        'condition + subject', CONDITION, {'blocks': PAIRS[:-2]}, 'error', 'blocks', 'blocks.csv',
        ['24 rows'],
    ),
    'a block for each map': (
        'condition + subject', CONDITION, {'blocks': np.arange(1, 25)}, 'error',
        'nothing-to-relabel', 'condition', ['no relabelling'],
    ),
}  # fmt: skip


@pytest.mark.parametrize('what', EXCHANGE)
def test_wrong_blocks(study, what):
    formula, contrasts, options, severity, code, where, words = EXCHANGE[what]
    names, table = within(12)
    findings = study(names).lint(table, formula, contrasts, request=FAST, **options)
    (found,) = [each for each in findings if each.code == code and each.where.endswith(where)]
    assert found.severity == severity
    for word in words:
        assert word in f'{found.problem} {found.advice}'


def test_maps_of_one_subject_without_a_table(study):
    names, _ = within(6)
    (found,) = [each for each in study(names).lint(request=FAST) if each.severity == 'error']
    assert (found.code, found.where) == ('repeated-subjects', 'maps')
    blocks = np.column_stack([np.ones(12), -np.repeat(np.arange(1, 7), 2), np.arange(1, 13)])
    assert [each for each in study(names).lint(blocks=blocks) if each.severity == 'error'] == []


def test_a_p_that_cannot_be_reached(study, participants):
    found = {each.code: each for each in study(4).lint()}['unreachable-p']
    assert found.severity == 'warning'
    assert 'the smallest p is 0.12' in found.problem
    few = study(N).lint(participants(N), 'group', GROUPS, request=Request(n_perm=10))
    assert '--n-perm' in {each.code: each for each in few}['unreachable-p'].advice


def test_too_few_maps(study, participants):
    table = change(participants(8), **{name: np.random.default_rng(i).normal(size=8)
                                       for i, name in enumerate('abcd')})  # fmt: skip
    small = study(8)
    found = {each.code: each for each in small.lint(table, 'group + a + b + c + d', GROUPS)}
    assert found['few-maps'].severity == 'warning'
    assert '8 maps and 6 regressors leave 2' in found['few-maps'].problem
    none = small.lint(table, 'group + (a + b + c + d)**2', {'a': 'a'})
    assert 'no-degrees-of-freedom' in {each.code for each in none if each.severity == 'error'}


def test_one_subject_that_makes_the_slope(study, participants):
    """Not far enough from a wide spread to be an outlier, yet alone in the contrast."""
    table = change(participants(N), dose=np.r_[np.linspace(-3, 3, N - 1), 16.0])
    found = {each.code: each for each in study(N).lint(table, 'dose', {'dose': 'dose'})}
    x = table['dose'] - table['dose'].mean()
    share = (x**2 / (x**2).sum()).max()
    assert f'sub-24 makes up {100 * share:.0f} %' in found['leverage'].problem


@pytest.mark.parametrize(
    ('formula', 'contrasts', 'wrong'),
    [
        (None, None, []),
        ('group', GROUPS, []),
        ('dose', {'dose': 'dose', 'mean': 'intercept'}, ['mean']),
        ('group + dose', {'dose': 'dose', 'any': ['group', 'dose']}, ['dose']),
    ],
)
def test_models_that_are_not_permuted_beside_a_nuisance(
    formula, contrasts, wrong, study, participants
):
    table = change(participants(N), dose=np.resize([1.0, 4.0, 2.0, 3.0, 7.0], N))
    for model in ('reml', 'ols'):
        request = Request(n_perm=50, model=model)
        findings = study(N).lint(table, formula, contrasts, request=request)
        found = [each for each in findings if each.code == 'model-not-permuted']
        assert [each.where for each in found] == (wrong if model == 'reml' else [])
        assert all('--n-perm 0' in each.advice for each in found)


def test_variance_groups_of_another_study(study, participants):
    findings = study(N).lint(
        participants(N), 'group', GROUPS, variance_groups=[1, 2] * 4, request=Request(n_perm=0)
    )
    (found,) = [each for each in findings if each.severity == 'error']
    assert found.code == 'variance-groups'
    assert found.where.endswith('variance_groups.csv')


def test_a_copied_map(study):
    whole = study(8)
    with open(whole.maps[2], 'rb') as source, open(whole.maps[5], 'wb') as target:
        target.write(source.read())
    (found,) = [each for each in whole.lint() if each.severity == 'error']
    assert (found.code, found.where) == ('copied-map', 'sub-06_effect.nii')
    assert 'sub-03_effect.nii, sub-06_effect.nii' in found.problem


def test_t_maps_in_another_order(study):
    whole = study(8)
    swapped = [path.replace('effect', 't') for path in whole.maps]
    swapped[:2] = swapped[1::-1]
    (found,) = [each for each in whole.lint(tmap_files=swapped) if each.severity == 'warning']
    assert found.code == 'tmaps-order'
    assert 'number 1 is of sub-02, the map of sub-01' in found.problem


def test_files_that_go_by_the_order_of_the_maps(study, participants):
    table = change(participants(N), sex=np.random.default_rng(3).permutation(list('mf') * 12))
    groups = (table['group'] == 'patient') + 1
    whole, odd = study(N), np.random.default_rng(1).permutation(groups)
    backwards = table[::-1]

    def order(table, groups):
        findings = whole.lint(table, 'group', GROUPS, variance_groups=groups, request=FAST)
        return [each.where for each in findings if each.code == 'row-order']

    assert order(table, odd) == []
    assert order(backwards, odd) == ['--variance-groups']
    # They are the groups of the table, so they are in the order of the maps.
    assert order(backwards, groups) == []


def test_rows_without_a_map_are_noted(study, participants):
    findings = study(N).lint(participants(N + 2), 'group + age', GROUPS, request=FAST)
    (found,) = [each for each in findings if each.code == 'unused-rows']
    assert found.severity == 'note'
    assert '2 of 26 rows' in found.problem
    assert 'sub-25, sub-26' in found.problem


def test_volumes_of_a_4d_file(study, participants, tmp_path):
    many = tmp_path / 'all.nii'
    nib.save(nib.Nifti1Image(np.random.default_rng(0).random((2, 2, 2, N)), np.eye(4)), many)
    whole = study(1)
    assert worrying(whole.lint(maps=[str(many)], request=FAST)) == []
    (found,) = whole.lint(participants(N), 'group', GROUPS, maps=[str(many)])
    assert (found.severity, found.code) == ('error', 'formula')
    assert 'cannot be matched to the volumes of a 4D file' in found.problem


def test_all_is_found_at_once(study, participants):
    table = change(participants(N), age=lambda age: put(age, 4, np.nan),
                   score=lambda score: put(score, 2, 'x'))  # fmt: skip
    findings = study(N).lint(table, 'age + score + sex', {'a': 'age'})
    assert {each.where for each in findings if each.severity == 'error'} == {'age', 'score', 'sex'}
    with pytest.raises(exceptions.DesignError, match='found 3 errors') as raised:
        require_sound(findings)
    assert all(word in str(raised.value) for word in ('sub-05', "'x' for sub-03", 'sex'))


def test_one_error_is_raised_as_it_is(study, participants):
    findings = study(N).lint(participants(N), 'group', {'x': 'grupp'}, request=FAST)
    with pytest.raises(exceptions.ContrastError, match='names a column') as raised:
        require_sound(findings)
    assert raised.value.advice
    wrong = study(N).lint(change(participants(N), ones=1), 'ones + age', {'age': 'age'})
    with pytest.raises(exceptions.DesignError):
        require_sound([each for each in wrong if each.code == 'doubled-intercept'])


# Sound designs --------------------------------------------------------------------------------


def worrying(findings):
    return [each[:5] for each in findings if each.severity != 'note']


def test_a_one_sample_test(study):
    assert worrying(study(16).lint()) == []


def test_the_simulated_group(tmp_path):
    from nistats_nipype.datasets import simulate_group

    group = simulate_group(tmp_path, n_subjects=16, resolution_mm=8, seed=0)
    for formula, contrasts in (
        (None, {'left vs right': 'intercept'}),
        ('group + age', {'patients': 'group[T.patient]', 'any': 'age, group[T.patient]'}),
        ('0 + group', {'patients': 'group[patient] - group[control]', 'mean': 'group[patient]'}),
        ('group * center(age)', {'slopes': 'group[T.patient]:center(age)',
                                 'patients': 'group[T.patient]', 'mean': 'intercept'}),
        ('center(age)', {'mean': 'intercept', 'age': 'center(age)'}),
        ('group + scale(age) + {scale(age)**2}', {'patients': 'group[T.patient]'}),
    ):  # fmt: skip
        table = group.participants_file if formula else None
        findings = lint_design(group.effect_files, formula, table, contrasts,
                               tmap_files=group.tmap_files, request=FAST)  # fmt: skip
        assert worrying(findings) == [], formula


SOUND = {
    'a column of ones in place of the intercept': (
        lambda t: change(t, ones=1), '0 + ones + score', {'mean': 'ones'},
    ),
    'names of groups that begin with numbers': (
        lambda t: change(t, visit=['0m', '6m', '12m'] * (N // 3)),
        'visit', {'any': 'visit[T.12m], visit[T.6m]'},
    ),
    'a column that says who is a case': (
        lambda t: change(t, case=[0, 1] * (N // 2), patient=['yes', 'no'] * (N // 2)),
        'case', {'cases': 'case'},
    ),
    'a slow answer of 999 ms': (
        lambda t: change(t, rt=np.r_[np.linspace(400, 980, N - 1), 999].round()),
        'rt', {'rt': 'rt'},
    ),
    'doses as numbers': (
        lambda t: change(t, dose=[0, 5, 10] * (N // 3)), 'dose', {'dose': 'dose'},
    ),
    'sexes as 0 and 1': (
        lambda t: change(t, sex=[0, 0, 1, 1] * (N // 4)), 'group + sex', GROUPS,
    ),
    'sites, balanced and as factor': (
        lambda t: change(t, site=[1, 1, 2, 2, 3, 3] * (N // 6)), 'group + C(site)', GROUPS,
    ),
    'slopes of groups': (
        lambda t: t, '0 + group + group:center(age)',
        {'slopes': '`group[patient]:center(age)` - `group[control]:center(age)`'},
    ),
}  # fmt: skip


@pytest.mark.parametrize('what', SOUND)
def test_sound_designs_that_look_odd(study, participants, what):
    make, formula, contrasts = SOUND[what]
    findings = study(N).lint(make(participants(N)), formula, contrasts, request=FAST)
    assert worrying(findings) == []


def test_a_paired_test_with_blocks(study):
    names, table = within(12)
    paired = study(names)
    blocked = paired.lint(table, 'condition + subject', CONDITION, blocks=PAIRS, request=FAST)
    assert worrying(blocked) == []
    whole = np.column_stack([np.ones(24), -PAIRS, np.arange(1, 25)])
    between = paired.lint(table, 'group', {'g': 'group[T.b]'}, blocks=whole, request=FAST)
    assert worrying(between) == []
    assert worrying(paired.lint(table, 'condition + subject', CONDITION,
                                request=Request(n_perm=0))) == []  # fmt: skip


def test_the_regression_of_wager_2008(data_dir, tmp_path):
    folder = data_dir / 'wager2008'
    maps = sorted(map(str, folder.glob('con_*.img')))
    table = pd.read_csv(folder / 'X_Y_data.txt', sep='\t').assign(map=maps)
    table.to_csv(tmp_path / 'table.tsv', sep='\t', index=False)
    names = ['X_RVLPFC', 'Y_Reappraisal_Success']
    contrasts = {name: name for name in names} | {'mean': 'intercept'}
    findings = lint_design(maps, ' + '.join(names), tmp_path / 'table.tsv', contrasts)
    assert worrying(findings) == []


@pytest.mark.parametrize(
    'formula', ['basis + subject', '0 + basis + subject', 'C(b) + C(subject)']
)
def test_repeated_measures_of_faces12(data_dir, tmp_path, formula):
    maps = sorted(map(str, (data_dir / 'faces12' / 'nii').glob('con_*.nii.gz')))
    number = np.arange(36)
    table = pd.DataFrame({'map': maps, 'basis': [f'f{b}' for b in number // 12],
                          'b': number // 12, 'subject': number % 12 + 1})  # fmt: skip
    if formula != 'C(b) + C(subject)':
        table['subject'] = 's' + table['subject'].astype(str)
    table.to_csv(tmp_path / 'table.tsv', sep='\t', index=False)
    np.savetxt(tmp_path / 'blocks.csv', number % 12 + 1, fmt='%d')
    contrasts = {
        'basis + subject': {'any': 'basis[T.f1], basis[T.f2]'},
        '0 + basis + subject': {'any': 'basis[f1] - basis[f0], basis[f2] - basis[f0]'},
        'C(b) + C(subject)': {'any': '`C(b)[T.1]`, `C(b)[T.2]`'},
    }[formula]
    findings = lint_design(maps, formula, tmp_path / 'table.tsv', contrasts,
                           blocks_file=tmp_path / 'blocks.csv', request=FAST)  # fmt: skip
    assert worrying(findings) == []


@pytest.mark.slow
def test_random_sound_designs(study):
    """Designs as people have them, drawn at random, are hardly ever warned of.

    A design is sound if groups are of similar size and covariates normal or uniform; the limit
    of outliers lets one covariate in a hundred pass for one that has some.
    """
    n_covariates, warned = 0, []
    whole = study(30)
    for seed in range(100):
        rng = np.random.default_rng(seed)
        table = pd.DataFrame(
            {
                'participant_id': [subject_label(path) for path in whole.maps],
                'group': rng.permutation(['a', 'b', 'c'] * 10),
                'sex': rng.permutation(['m', 'f'] * 15),
                'age': rng.uniform(18, 80, 30).round(),
                'iq': rng.normal(100, 15, 30).round(),
                'score': rng.poisson(8, 30),
            }
        )
        findings = whole.lint(
            table,
            'group + sex + age + iq + score',
            {'g': 'group[T.b], group[T.c]', 'age': 'age'},
            request=Request(n_perm=0),
        )
        n_covariates += 3
        warned += worrying(findings)
    assert {each[1] for each in warned} <= {'outlier'}
    assert len(warned) <= 0.03 * n_covariates


def test_findings_are_of_text_only(study, participants):
    findings = study(N).lint(change(participants(N), ones=1), 'ones + age', {'age': 'age'})
    assert json.loads(json.dumps([each[:5] for each in findings]))
