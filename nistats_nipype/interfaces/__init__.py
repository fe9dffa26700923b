"""Every step of a second-level analysis as a nipype interface."""

from .check import CheckDesign, CheckMaps
from .derivatives import SelectMaps
from .design import BuildDesign, DefineContrast
from .fetch import FetchLocalizer, SimulateGroup
from .given import ExportFSL, ReadDesign
from .influence import MeasureInfluence
from .joint import CorrectContrasts
from .matching import MatchMaps
from .model import ComputeContrast, FitGLM, FitMixed
from .permutation import MergePermutations, Permute
from .plot import (
    PlotCoverage,
    PlotDesign,
    PlotGlassBrain,
    PlotInfluence,
    PlotNull,
    PlotStatMap,
    PlotSubjects,
    PlotSurface,
)
from .plot_values import PlotEffectSize, PlotOutliers, PlotPeaks
from .prepare import ApplyMask, AverageMaps, ComputeMask, Smooth
from .report import MakeReport, SummarizeContrast
from .robust import FitRobust
from .schedule import DefineVarianceGroups, DrawSchedule
from .sequential import MergeSequential, PermuteSequential
from .sink import SinkContrast, SinkGroup, SinkJoint
from .spatial import MergeSpatial, PermuteSpatial
from .standard import BuildStandardDesign
from .tails import FitTails
from .threshold import TableClusters, Threshold
from .view import ViewImg
from .voxelwise import FitVoxelwise

__all__ = [
    'ApplyMask',
    'AverageMaps',
    'BuildDesign',
    'BuildStandardDesign',
    'CheckDesign',
    'CheckMaps',
    'ComputeContrast',
    'ComputeMask',
    'CorrectContrasts',
    'DefineContrast',
    'DefineVarianceGroups',
    'DrawSchedule',
    'ExportFSL',
    'FetchLocalizer',
    'FitGLM',
    'FitMixed',
    'FitRobust',
    'FitTails',
    'FitVoxelwise',
    'MakeReport',
    'MatchMaps',
    'MeasureInfluence',
    'MergePermutations',
    'MergeSequential',
    'MergeSpatial',
    'Permute',
    'PermuteSequential',
    'PermuteSpatial',
    'PlotCoverage',
    'PlotDesign',
    'PlotEffectSize',
    'PlotGlassBrain',
    'PlotInfluence',
    'PlotNull',
    'PlotOutliers',
    'PlotPeaks',
    'PlotStatMap',
    'PlotSubjects',
    'PlotSurface',
    'ReadDesign',
    'SelectMaps',
    'SimulateGroup',
    'SinkContrast',
    'SinkGroup',
    'SinkJoint',
    'Smooth',
    'SummarizeContrast',
    'TableClusters',
    'Threshold',
    'ViewImg',
]
