"""References of the methods text."""

import re

#: By DOI. Those that the documentation has, too, are worded as there.
_REFERENCES = {
    '10.1002/hbm.1058': 'Nichols TE, Holmes AP (2002). Nonparametric permutation tests for '
    'functional neuroimaging: a primer with examples. Hum Brain Mapp 15(1):1-25.',
    '10.1002/hbm.20251': 'Mériaux S, Roche A, Dehaene-Lambertz G, Thirion B, Poline JB (2006). '
    'Combined permutation test and mixed-effect model for group average analysis in fMRI. Hum '
    'Brain Mapp 27(5):402-410.',
    '10.1002/hbm.23115': 'Winkler AM, Webster MA, Brooks JC, Tracey I, Smith SM, Nichols TE '
    '(2016). Non-parametric combination and related permutation tests for neuroimaging. Hum '
    'Brain Mapp 37(4):1486-1511.',
    '10.1007/978-3-642-48850-4_10': 'ter Braak CJF (1992). Permutation versus bootstrap '
    'significance tests in multiple regression and ANOVA. In: Bootstrapping and Related '
    'Techniques, Springer, 79-85.',
    '10.1007/BF02515450': 'Manly BFJ (1986). Randomization and regression methods for testing '
    'for associations with geographical, environmental and biological distances between '
    'populations. Res Popul Ecol 28(2):201-218.',
    '10.1007/s11336-007-9016-1': 'Dekker D, Krackhardt D, Snijders TAB (2007). Sensitivity of '
    'MRQAP tests to collinearity and autocorrelation conditions. Psychometrika 72(4):563-581.',
    '10.1016/0197-2456(86)90046-2': 'DerSimonian R, Laird N (1986). Meta-analysis in clinical '
    'trials. Control Clin Trials 7(3):177-188.',
    '10.1016/j.neuroimage.2003.12.023': 'Woolrich MW, Behrens TEJ, Beckmann CF, Jenkinson M, '
    'Smith SM (2004). Multilevel linear modelling for FMRI group analysis using Bayesian '
    'inference. NeuroImage 21(4):1732-1747.',
    '10.1016/j.neuroimage.2005.01.011': 'Wager TD, Keller MC, Lacey SC, Jonides J (2005). '
    'Increased sensitivity in neuroimaging analyses using robust regression. NeuroImage '
    '26(1):99-113.',
    '10.1016/j.neuroimage.2006.09.011': 'Casanova R, Srikanth R, Baer A, Laurienti PJ, Burdette '
    'JH, Hayasaka S, Flowers L, Wood F, Maldjian JA (2007). Biological parametric mapping: a '
    'statistical toolbox for multimodality brain image analysis. NeuroImage 34(1):137-143.',
    '10.1016/j.neuroimage.2008.03.061': 'Smith SM, Nichols TE (2009). Threshold-free cluster '
    'enhancement. NeuroImage 44(1):83-98.',
    '10.1016/j.neuroimage.2010.07.033': 'Fonov V, Evans AC, Botteron K, Almli CR, McKinstry RC, '
    'Collins DL (2011). Unbiased average age-appropriate atlases for pediatric studies. '
    'NeuroImage 54(1):313-327.',
    '10.1016/j.neuroimage.2014.01.060': 'Winkler AM, Ridgway GR, Webster MA, Smith SM, Nichols '
    'TE (2014). Permutation inference for the general linear model. NeuroImage 92:381-397.',
    '10.1016/j.neuroimage.2015.05.092': 'Winkler AM, Webster MA, Vidaurre D, Nichols TE, Smith '
    'SM (2015). Multi-level block permutation. NeuroImage 123:253-268.',
    '10.1016/j.neuroimage.2016.05.068': 'Winkler AM, Ridgway GR, Douaud G, Nichols TE, Smith SM '
    '(2016). Faster permutation inference in brain imaging. NeuroImage 141:502-516.',
    '10.1016/j.neuroimage.2020.116760': 'Alberton BAV, Nichols TE, Gamba HR, Winkler AM (2020). '
    'Multiple testing correction over contrasts for brain imaging. NeuroImage 216:116760.',
    '10.1038/s41586-020-2649-2': 'Harris CR, Millman KJ, van der Walt SJ, et al. (2020). Array '
    'programming with NumPy. Nature 585:357-362.',
    '10.1038/s41592-019-0686-2': 'Virtanen P, Gommers R, Oliphant TE, et al. (2020). SciPy 1.0: '
    'fundamental algorithms for scientific computing in Python. Nat Methods 17:261-272.',
    '10.1081/STA-100106060': 'Huh MH, Jhun M (2001). Random permutation testing in multiple '
    'linear regression. Commun Stat Theory Methods 30(10):2023-2032.',
    '10.1093/biomet/38.3-4.330': 'Welch BL (1951). On the comparison of several mean values: an '
    'alternative approach. Biometrika 38(3/4):330-336.',
    '10.1093/biomet/93.3.491': 'Benjamini Y, Krieger AM, Yekutieli D (2006). Adaptive linear '
    'step-up procedures that control the false discovery rate. Biometrika 93(3):491-507.',
    '10.1109/42.750253': 'Bullmore ET, Suckling J, Overmeyer S, Rabe-Hesketh S, Taylor E, '
    'Brammer MJ (1999). Global, voxel, and cluster tests, by theory and permutation, for a '
    'difference between two groups of structural MR images of the brain. IEEE Trans Med Imaging '
    '18(1):32-42.',
    '10.1111/j.2517-6161.1995.tb02031.x': 'Benjamini Y, Hochberg Y (1995). Controlling the false '
    'discovery rate: a practical and powerful approach to multiple testing. J R Stat Soc B '
    '57(1):289-300.',
    '10.1145/2833157.2833162': 'Lam SK, Pitrou A, Seibert S (2015). Numba: a LLVM-based Python '
    'JIT compiler. Proc LLVM-HPC 7:1-6.',
    '10.1214/aoms/1177703732': 'Huber PJ (1964). Robust estimation of a location parameter. Ann '
    'Math Stat 35(1):73-101.',
    '10.2307/1266641': 'Draper NR, Stoneman DM (1966). Testing for the inclusion of variables in '
    'linear regression by a randomisation technique. Technometrics 8(4):695-699.',
    '10.2307/1391660': 'Freedman D, Lane D (1983). A nonstochastic interpretation of reported '
    'significance levels. J Bus Econ Stat 1(4):292-298.',
    '10.3389/fninf.2011.00013': 'Gorgolewski K, Burns CD, Madison C, Clark D, Halchenko YO, '
    'Waskom ML, Ghosh SS (2011). Nipype: a flexible, lightweight and extensible neuroimaging '
    'data processing framework in Python. Front Neuroinform 5:13.',
    '10.3389/fninf.2014.00014': 'Abraham A, Pedregosa F, Eickenberg M, Gervais P, Mueller A, '
    'Kossaifi J, Gramfort A, Thirion B, Varoquaux G (2014). Machine learning for neuroimaging '
    'with scikit-learn. Front Neuroinform 8:14.',
}
# A citation: authors and year, then the address, up to what ends either. A DOI may hold brackets.
_CITATION = re.compile(
    r'([^,;()]+ \d{4}), https://doi\.org/(10\.(?:\([^()\s]*\)|[^\s();])+?)(?=[;)](?:\W|$))'
)


def list_references(text):
    """Move the addresses of cited works to a list.

    Parameters
    ----------
    text : str
        With citations such as '(Welch 1951, https://doi.org/10.1093/biomet/38.3-4.330)'.

    Returns
    -------
    str
        The text without addresses.
    list of str
        The works in alphabetical order, each with its address.

    Examples
    --------
    >>> text, works = list_references('v (Welch 1951, https://doi.org/10.1093/biomet/38.3-4.330).')
    >>> text, len(works), works[0][:14]
    ('v (Welch 1951).', 1, 'Welch BL (1951')
    """
    found = {doi: authors for authors, doi in _CITATION.findall(text)}
    works = [
        f'{_REFERENCES.get(doi, authors.strip() + ".")} https://doi.org/{doi}'
        for doi, authors in found.items()
    ]
    return _CITATION.sub(r'\1', text), sorted(works, key=str.casefold)
