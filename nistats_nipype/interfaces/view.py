"""Interactive viewers of maps."""

from pathlib import Path

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)


class _ViewImgInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc='3D map in MNI space')
    threshold = traits.Float(desc='absolute values below are not drawn; default: draw all but 0')
    sidedness = traits.Enum(
        'two-sided', 'positive', 'negative', usedefault=True, desc='which signs are drawn'
    )
    title = traits.Str(desc='title of the page')
    vmax = traits.Float(desc='value of the strongest colour; default: the largest drawn')
    mask_file = File(exists=True, desc='mask of the map')
    label = traits.Str(desc='name and unit of the values')
    bg_file = File(exists=True, desc='anatomical image below; default: the MNI152 template')
    cut_coords = traits.Tuple(
        traits.Float,
        traits.Float,
        traits.Float,
        desc='x, y and z in mm where it opens; default: where the map is strongest',
    )


class _ViewImgOutputSpec(TraitedSpec):
    viewer_file = File(exists=True, desc='HTML page that opens without a network')


class ViewImg(SimpleInterface):
    """Make a page on which one can move through a map: nilearn's ``view_img``.

    Examples
    --------
    >>> ViewImg(threshold=3.1, title='left > right').inputs.sidedness
    'two-sided'
    """

    input_spec = _ViewImgInputSpec
    output_spec = _ViewImgOutputSpec

    def _run_interface(self, runtime):
        from ..viz.viewer import view_img

        given = {
            name: value
            for name, value in self.inputs.get_traitsfree().items()
            if name != 'in_file' and isdefined(value)
        }
        self._results['viewer_file'] = view_img(
            self.inputs.in_file, Path(runtime.cwd) / 'viewer.html', **given
        )
        return runtime
