"""Effect maps, variances and rows: matched by what they say, never by where they stand."""

import pandas as pd
import pytest

from nistats_nipype.designs.matching import match_maps
from nistats_nipype.exceptions import InputError


def bids(stat, *subjects, contrast='faces', extra=''):
    return [
        f'glm/sub-{sub}/sub-{sub}{extra}_contrast-{contrast}_stat-{stat}_statmap.nii.gz'
        for sub in subjects
    ]


@pytest.fixture
def table(tmp_path):
    """Write a table; give its path."""

    def table(**columns):
        path = tmp_path / 'participants.tsv'
        pd.DataFrame(columns).to_csv(path, sep='\t', index=False, na_rep='n/a')
        return path

    return table


def test_by_subject_whatever_the_order():
    effects = bids('effect', '03', '01', '02')
    found = match_maps(effects, bids('variance', '01', '02', '03'))
    assert found.in_files == effects
    assert found.variance_files == bids('variance', '03', '01', '02')
    assert (found.matched_by, found.dropped) == ('subject', [])


def test_by_subject_and_entities_of_repeated_measures():
    effects = bids('effect', '01', '02', extra='_run-1') + bids('effect', '01', extra='_run-2')
    variances = bids('variance', '01', extra='_run-2') + bids(
        'variance', '02', '01', extra='_run-1'
    )
    found = match_maps(effects, variances)
    expected = bids('variance', '01', '02', extra='_run-1')
    assert found.variance_files == expected + bids('variance', '01', extra='_run-2')


@pytest.mark.parametrize(
    ('effects', 'variances', 'order'),
    [
        (['p_01_beta.nii', 'p_02_beta.nii'], ['p_02_varcope.nii', 'p_01_varcope.nii'], [1, 0]),
        (
            ['a/S1.feat/stats/cope1.nii', 'a/S2.feat/reg_standard/stats/cope1.nii'],
            ['a/S2.feat/reg_standard/stats/varcope1.nii', 'a/S1.feat/stats/varcope1.nii'],
            [1, 0],
        ),
        (
            ['sub-1/r1/cope1.nii', 'sub-1/r2/cope1.nii'],
            ['sub-1/r2/varcope1.nii', 'sub-1/r1/varcope1.nii'],
            [1, 0],
        ),
    ],
)
def test_by_what_tells_names_apart(effects, variances, order):
    found = match_maps(effects, variances)
    assert found.matched_by == 'name'
    assert found.variance_files == [variances[index] for index in order]


def test_by_rows_of_a_table(table, tmp_path):
    path = table(effect=['x.nii', 'y.nii', 'n/a'], variance=['b.nii', 'a.nii', 'n/a'])
    effects = [str(tmp_path / name) for name in ('y.nii', 'x.nii')]
    variances = [str(tmp_path / name) for name in ('b.nii', 'a.nii')]
    found = match_maps(effects, variances, path)
    assert found.variance_files == variances[::-1]
    assert found.matched_by == 'table'


def test_two_4d_files_are_matched_volume_by_volume():
    found = match_maps(['copes.nii.gz'], ['varcopes.nii.gz'])
    assert found.variance_files == ['varcopes.nii.gz']
    assert found.matched_by == 'volume'


def test_without_variances_there_is_nothing_to_match():
    found = match_maps(bids('effect', '01', '02'))
    assert (found.variance_files, found.matched_by, found.dropped) == (None, None, [])


def test_all_without_a_counterpart_are_listed():
    effects = bids('effect', *(f'{number:02d}' for number in range(1, 10)))
    variances = bids('variance', '01', '20', '21')
    with pytest.raises(InputError, match='do not belong together') as error:
        match_maps(effects, variances)
    for path in effects[1:] + variances[1:]:
        assert path in error.value.found
    assert effects[0] not in error.value.found
    found = match_maps(effects, variances, unmatched='drop')
    assert (found.in_files, found.variance_files) == (effects[:1], variances[:1])
    assert [each['file'] for each in found.dropped] == effects[1:] + variances[1:]
    assert {each['reason'] for each in found.dropped} == {
        'no map of variances',
        'no map of effects',
    }


@pytest.mark.parametrize('unmatched', ['error', 'drop'])
def test_nothing_in_common_is_refused_either_way(unmatched):
    with pytest.raises(InputError, match='do not belong together'):
        match_maps(bids('effect', '01'), bids('variance', '02', '03'), unmatched=unmatched)
    with pytest.raises(InputError, match='do not belong together'):
        match_maps(['a.nii', 'b.nii'], ['c.nii', 'd.nii'], unmatched=unmatched)


@pytest.mark.parametrize('unmatched', ['error', 'drop'])
def test_what_is_ambiguous_is_refused_either_way(unmatched):
    variances = bids('variance', '01', '02') + bids('variance', '02', contrast='houses')
    with pytest.raises(InputError, match='cannot be told apart') as error:
        match_maps(bids('effect', '01', '02'), variances, unmatched=unmatched)
    assert error.value.found == 'sub-02: 1 of effects, 2 of variances'
    with pytest.raises(InputError, match='do not tell them apart') as error:
        match_maps(['a-b.nii', 'a_b.nii'], ['c.nii', 'd.nii'], unmatched=unmatched)
    assert error.value.found == 'a-b.nii, a_b.nii'


def test_variances_of_something_else_are_refused(table, tmp_path):
    effects = bids('effect', '01', '02')
    with pytest.raises(InputError, match='not of the same thing') as error:
        match_maps(effects, bids('variance', '02', '01', contrast='houses'))
    assert error.value.found.count('(contrast: faces, houses)') == 2
    # A row that names another subject's variances.
    names = {'effect': bids('effect', '01', '02'), 'variance': bids('variance', '02', '01')}
    paths = {key: [str(tmp_path / name) for name in names[key]] for key in names}
    with pytest.raises(InputError, match='not of the same thing') as error:
        match_maps(paths['effect'], paths['variance'], table(**names))
    assert '(sub: sub-01, sub-02)' in error.value.found
    # A description of its own is none of something else.
    match_maps(
        effects, [path.replace('stat-', 'desc-x_stat-') for path in bids('variance', '01', '02')]
    )


def test_maps_without_a_row_are_left_out_if_asked(table, tmp_path):
    effects = bids('effect', '01', '02', '03', '10')
    path = table(participant_id=['01', 'sub-03', '04'], file=['n/a', 'n/a', 'z.nii'])
    named = str(tmp_path / 'z.nii')
    found = match_maps([*effects, named], None, path, unmatched='drop')
    assert found.in_files == [effects[0], effects[2], named]
    assert found.dropped == [
        {'file': each, 'reason': 'no row in the table'} for each in (effects[1], effects[3])
    ]
    assert match_maps(effects, None, path).in_files == effects
    with pytest.raises(InputError, match='No map is left'):
        match_maps(bids('effect', '20'), None, path, unmatched='drop')
