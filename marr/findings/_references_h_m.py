"""References by key, H to M, in alphabetical order."""

from __future__ import annotations

from marr.findings._citation import Citation

__all__ = ["REFERENCES"]

REFERENCES: dict[str, Citation] = {
    "harris2020": Citation(
        "Harris, K. D.",
        2020,
        "Nonsense correlations in neuroscience",
        "bioRxiv 2020.11.29.402719",
        "10.1101/2020.11.29.402719",
    ),
    "harvey2024": Citation(
        "Harvey, S. E., Larsen, B. W. and Williams, A. H.",
        2024,
        "Duality of Bures and shape distances with implications for comparing neural "
        "representations",
        "Unifying Representations in Neural Models, PMLR 243, 11-26",
    ),
    "haufe2014": Citation(
        "Haufe, S., Meinecke, F., Görgen, K., Dähne, S., Haynes, J.-D., Blankertz, B. "
        "and Bießmann, F.",
        2014,
        "On the interpretation of weight vectors of linear models in multivariate "
        "neuroimaging",
        "NeuroImage 87, 96-110",
        "10.1016/j.neuroimage.2013.10.067",
    ),
    "haxby2001": Citation(
        "Haxby, J. V. et al.",
        2001,
        "Distributed and overlapping representations of faces and objects in ventral "
        "temporal cortex",
        "Science 293, 2425-2430",
        "10.1126/science.1063736",
    ),
    "haxby2011": Citation(
        "Haxby, J. V. et al.",
        2011,
        "A common, high-dimensional model of the representational space in human ventral "
        "temporal cortex",
        "Neuron 72, 404-416",
        "10.1016/j.neuron.2011.08.026",
    ),
    "hewitt2019": Citation(
        "Hewitt, J. & Liang, P.",
        2019,
        "Designing and interpreting probes with control tasks",
        "EMNLP, 2733-2743",
        "10.18653/v1/D19-1275",
    ),
    "himeno2014": Citation(
        "Himeno, T. and Yamada, T.",
        2014,
        "Estimations for some functions of covariance matrix in high dimension under non-normality and its applications",
        "Journal of Multivariate Analysis 130, 27-44",
        "10.1016/j.jmva.2014.04.020",
    ),
    "hoerl1970": Citation(
        "Hoerl, A. E. and Kennard, R. W.",
        1970,
        "Ridge regression: biased estimation for nonorthogonal problems",
        "Technometrics 12, 55-67",
        "10.1080/00401706.1970.10488634",
    ),
    "holm1979": Citation(
        "Holm, S.",
        1979,
        "A simple sequentially rejective multiple test procedure",
        "Scandinavian Journal of Statistics 6, 65-70",
    ),
    "horn1965": Citation(
        "Horn, J. L.",
        1965,
        "A rationale and test for the number of factors in factor analysis",
        "Psychometrika 30, 179-185",
        "10.1007/BF02289447",
    ),
    "hotelling1936": Citation(
        "Hotelling, H.",
        1936,
        "Relations between two sets of variates",
        "Biometrika 28, 321-377",
        "10.1093/biomet/28.3-4.321",
    ),
    "huh2024": Citation(
        "Huh, M., Cheung, B., Wang, T. and Isola, P.",
        2024,
        "The platonic representation hypothesis",
        "International Conference on Machine Learning, 20617-20642",
    ),
    "hyvarinen1999": Citation(
        "Hyvärinen, A.",
        1999,
        "Fast and robust fixed-point algorithms for independent component analysis",
        "IEEE Transactions on Neural Networks 10, 626-634",
        "10.1109/72.761722",
    ),
    "ibl2021": Citation(
        "The International Brain Laboratory et al.",
        2021,
        "Standardized and reproducible measurement of decision-making in mice",
        "eLife 10, e63711",
        "10.7554/eLife.63711",
    ),
    "kang2012": Citation(
        "Kang, I. and Maunsell, J. H. R.",
        2012,
        "Potential confounds in estimating trial-to-trial correlations between neuronal "
        "response and behavior using choice probabilities",
        "Journal of Neurophysiology 108, 3403-3415",
        "10.1152/jn.00471.2012",
    ),
    "king2014": Citation(
        "King, J.-R. and Dehaene, S.",
        2014,
        "Characterizing the dynamics of mental representations: the temporal "
        "generalization method",
        "Trends in Cognitive Sciences 18, 203-210",
        "10.1016/j.tics.2014.01.002",
    ),
    "kingma2015": Citation(
        "Kingma, D. P. and Ba, J.",
        2015,
        "Adam: a method for stochastic optimization",
        "International Conference on Learning Representations",
        "10.48550/arXiv.1412.6980",
    ),
    "kobak2016": Citation(
        "Kobak, D. et al.",
        2016,
        "Demixed principal component analysis of neural population data",
        "eLife 5, e10989",
        "10.7554/eLife.10989",
    ),
    "kornblith2019": Citation(
        "Kornblith, S., Norouzi, M., Lee, H. and Hinton, G.",
        2019,
        "Similarity of neural network representations revisited",
        "International Conference on Machine Learning, 3519-3529",
    ),
    "kriegeskorte2006": Citation(
        "Kriegeskorte, N., Goebel, R. and Bandettini, P.",
        2006,
        "Information-based functional brain mapping",
        "Proceedings of the National Academy of Sciences 103, 3863-3868",
        "10.1073/pnas.0600244103",
    ),
    "kriegeskorte2008": Citation(
        "Kriegeskorte, N., Mur, M. and Bandettini, P.",
        2008,
        "Representational similarity analysis - connecting the branches of systems "
        "neuroscience",
        "Frontiers in Systems Neuroscience 2, 4",
        "10.3389/neuro.06.004.2008",
    ),
    "ledoit2004": Citation(
        "Ledoit, O. and Wolf, M.",
        2004,
        "A well-conditioned estimator for large-dimensional covariance matrices",
        "Journal of Multivariate Analysis 88, 365-411",
        "10.1016/S0047-259X(03)00096-4",
    ),
    "lee1999": Citation(
        "Lee, D. D. and Seung, H. S.",
        1999,
        "Learning the parts of objects by non-negative matrix factorization",
        "Nature 401, 788-791",
        "10.1038/44565",
    ),
    "leinster2012": Citation(
        "Leinster, T. and Cobbold, C. A.",
        2012,
        "Measuring diversity: the importance of species similarity",
        "Ecology 93, 477-489",
        "10.1890/10-2402.1",
    ),
    "levina2004": Citation(
        "Levina, E. and Bickel, P. J.",
        2004,
        "Maximum likelihood estimation of intrinsic dimension",
        "Advances in Neural Information Processing Systems 17",
    ),
    "lynott2020": Citation(
        "Lynott, D., Connell, L., Brysbaert, M., Brand, J. & Carney, J.",
        2020,
        "The Lancaster sensorimotor norms: multidimensional measures of perceptual and "
        "action strength for 40,000 English words",
        "Behavior Research Methods 52, 1271-1291",
        "10.3758/s13428-019-01316-z",
    ),
    "mackay2005": Citation(
        "MacKay, D. J. C. and Ghahramani, Z.",
        2005,
        "Comments on 'Maximum likelihood estimation of intrinsic dimension' by E. Levina and P. Bickel (2004)",
        "The Inference Group, University of Cambridge",
    ),
    "mante2013": Citation(
        "Mante, V., Sussillo, D., Shenoy, K. V. and Newsome, W. T.",
        2013,
        "Context-dependent computation by recurrent dynamics in prefrontal cortex",
        "Nature 503, 78-84",
        "10.1038/nature12742",
    ),
    "maris2007": Citation(
        "Maris, E. and Oostenveld, R.",
        2007,
        "Nonparametric statistical testing of EEG- and MEG-data",
        "Journal of Neuroscience Methods 164, 177-190",
        "10.1016/j.jneumeth.2007.03.024",
    ),
    "marr1982": Citation(
        "Marr, D.",
        1982,
        "Vision: A computational investigation into the human representation and "
        "processing of visual information",
        "W. H. Freeman",
    ),
    "meyes2019": Citation(
        "Meyes, R., Lu, M., Waubert de Puiseau, C. and Meisen, T.",
        2019,
        "Ablation studies in artificial neural networks",
        "arXiv:1901.08644",
    ),
    "miller1998": Citation(
        "Miller, J., Patterson, T. & Ulrich, R.",
        1998,
        "Jackknife-based method for measuring LRP onset latency differences",
        "Psychophysiology 35, 99-115",
        "10.1111/1469-8986.3510099",
    ),
    "morcos2018": Citation(
        "Morcos, A. S., Barrett, D. G. T., Rabinowitz, N. C. and Botvinick, M.",
        2018,
        "On the importance of single directions for generalization",
        "International Conference on Learning Representations",
    ),
    "morcos2018cca": Citation(
        "Morcos, A. S., Raghu, M. and Bengio, S.",
        2018,
        "Insights on representational similarity in neural networks with canonical "
        "correlation",
        "Advances in Neural Information Processing Systems 31, 5727-5736",
    ),
    "munch2016": Citation(
        "Münch, D. & Galizia, C. G.",
        2016,
        "DoOR 2.0 - comprehensive mapping of Drosophila melanogaster odorant responses",
        "Scientific Reports 6, 21841",
        "10.1038/srep21841",
    ),
    "murphy2024": Citation(
        "Murphy, A., Zylberberg, J. and Fyshe, A.",
        2024,
        "Correcting biased centered kernel alignment measures in biological and "
        "artificial neural networks",
        "arXiv:2405.01012",
    ),
}
