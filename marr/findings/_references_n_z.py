"""References by key, N to Z, in alphabetical order."""

from __future__ import annotations

from marr.findings._citation import Citation

__all__ = ["REFERENCES"]

REFERENCES: dict[str, Citation] = {
    "nadeau2003": Citation(
        "Nadeau, C. and Bengio, Y.",
        2003,
        "Inference for the generalization error",
        "Machine Learning 52, 239-281",
        "10.1023/A:1024068626366",
    ),
    "naselaris2011": Citation(
        "Naselaris, T., Kay, K. N., Nishimoto, S. and Gallant, J. L.",
        2011,
        "Encoding and decoding in fMRI",
        "NeuroImage 56, 400-410",
        "10.1016/j.neuroimage.2010.07.073",
    ),
    "nelder1972": Citation(
        "Nelder, J. A. and Wedderburn, R. W. M.",
        1972,
        "Generalized linear models",
        "Journal of the Royal Statistical Society A 135, 370-384",
        "10.2307/2344614",
    ),
    "nichols2002": Citation(
        "Nichols, T. E. and Holmes, A. P.",
        2002,
        "Nonparametric permutation tests for functional neuroimaging: a primer with "
        "examples",
        "Human Brain Mapping 15, 1-25",
        "10.1002/hbm.1058",
    ),
    "nili2014": Citation(
        "Nili, H., Wingfield, C., Walther, A., Su, L., Marslen-Wilson, W. and "
        "Kriegeskorte, N.",
        2014,
        "A toolbox for representational similarity analysis",
        "PLoS Computational Biology 10, e1003553",
        "10.1371/journal.pcbi.1003553",
    ),
    "peyrache2015": Citation(
        "Peyrache, A., Lacroix, M. M., Petersen, P. C. and Buzsáki, G.",
        2015,
        "Internally organized mechanisms of the head direction sense",
        "Nature Neuroscience 18, 569-575",
        "10.1038/nn.3968",
    ),
    "phipson2010": Citation(
        "Phipson, B. and Smyth, G. K.",
        2010,
        "Permutation p-values should never be zero: calculating exact p-values when "
        "permutations are randomly drawn",
        "Statistical Applications in Genetics and Molecular Biology 9, 39",
        "10.2202/1544-6115.1585",
    ),
    "raghu2017": Citation(
        "Raghu, M., Gilmer, J., Yosinski, J. and Sohl-Dickstein, J.",
        2017,
        "SVCCA: singular vector canonical correlation analysis for deep learning "
        "dynamics and interpretability",
        "Advances in Neural Information Processing Systems 30, 6076-6085",
    ),
    "rajamanoharan2024": Citation(
        "Rajamanoharan, S. et al.",
        2024,
        "Jumping ahead: improving reconstruction fidelity with JumpReLU sparse "
        "autoencoders",
        "arXiv:2407.14435",
    ),
    "ravfogel2020": Citation(
        "Ravfogel, S., Elazar, Y., Gonen, H., Twiton, M. & Goldberg, Y.",
        2020,
        "Null it out: guarding protected attributes by iterative nullspace projection",
        "ACL, 7237-7256",
        "10.18653/v1/2020.acl-main.647",
    ),
    "rigotti2013": Citation(
        "Rigotti, M., Barak, O., Warden, M. R., Wang, X.-J., Daw, N. D., Miller, E. K. "
        "and Fusi, S.",
        2013,
        "The importance of mixed selectivity in complex cognitive tasks",
        "Nature 497, 585-590",
        "10.1038/nature12160",
    ),
    "rosipal2001": Citation(
        "Rosipal, R. and Trejo, L. J.",
        2001,
        "Kernel partial least squares regression in reproducing kernel Hilbert space",
        "Journal of Machine Learning Research 2, 97-123",
    ),
    "sassenhagen2019": Citation(
        "Sassenhagen, J. & Draschkow, D.",
        2019,
        "Cluster-based permutation tests of MEG/EEG data do not establish significance "
        "of effect latency or location",
        "Psychophysiology 56, e13335",
        "10.1111/psyp.13335",
    ),
    "schafer2005": Citation(
        "Schäfer, J. and Strimmer, K.",
        2005,
        "A shrinkage approach to large-scale covariance matrix estimation and "
        "implications for functional genomics",
        "Statistical Applications in Genetics and Molecular Biology 4, 32",
        "10.2202/1544-6115.1175",
    ),
    "schoppe2016": Citation(
        "Schoppe, O. et al.",
        2016,
        "Measuring the performance of neural models",
        "Frontiers in Computational Neuroscience 10, 10",
        "10.3389/fncom.2016.00010",
    ),
    "schrimpf2018": Citation(
        "Schrimpf, M. et al.",
        2018,
        "Brain-Score: which artificial neural network for object recognition is most "
        "brain-like?",
        "bioRxiv 407007",
        "10.1101/407007",
    ),
    "schuirmann1987": Citation(
        "Schuirmann, D. J.",
        1987,
        "A comparison of the two one-sided tests procedure and the power approach for "
        "assessing the equivalence of average bioavailability",
        "Journal of Pharmacokinetics and Biopharmaceutics 15, 657-680",
        "10.1007/BF01068419",
    ),
    "schutt2016": Citation(
        "Schütt, H. H., Harmeling, S., Macke, J. H. and Wichmann, F. A.",
        2016,
        "Painfree and accurate Bayesian estimation of psychometric functions for "
        "(potentially) overdispersed data",
        "Vision Research 122, 105-123",
        "10.1016/j.visres.2016.02.002",
    ),
    "schutt2023": Citation(
        "Schütt, H. H., Kipnis, A. D., Diedrichsen, J. and Kriegeskorte, N.",
        2023,
        "Statistical inference on representational geometries",
        "eLife 12, e82566",
        "10.7554/eLife.82566",
    ),
    "skaggs1993": Citation(
        "Skaggs, W. E., McNaughton, B. L., Gothard, K. M. and Markus, E. J.",
        1993,
        "An information-theoretic approach to deciphering the hippocampal code",
        "Advances in Neural Information Processing Systems 5, 1030-1037",
    ),
    "song2012": Citation(
        "Song, L., Smola, A., Gretton, A., Bedo, J. and Borgwardt, K.",
        2012,
        "Feature selection via dependence maximization",
        "Journal of Machine Learning Research 13, 1393-1434",
    ),
    "stringer2019": Citation(
        "Stringer, C., Pachitariu, M., Steinmetz, N., Carandini, M. and Harris, K. D.",
        2019,
        "High-dimensional geometry of population responses in visual cortex",
        "Nature 571, 361-365",
        "10.1038/s41586-019-1346-5",
    ),
    "sucholutsky2023": Citation(
        "Sucholutsky, I. et al.",
        2023,
        "Getting aligned on representational alignment",
        "arXiv:2310.13018",
    ),
    "tulchinskii2025": Citation(
        "Tulchinskii, E., Voronkova, D., Trofimov, I., Burnaev, E. and Barannikov, S.",
        2025,
        "RTD-lite: scalable topological analysis for comparing weighted graphs in "
        "learning tasks",
        "arXiv:2503.11910",
    ),
    "viejo2023": Citation(
        "Viejo, G. et al.",
        2023,
        "Pynapple, a toolbox for data analysis in neuroscience",
        "eLife 12, RP85786",
        "10.7554/eLife.85786",
    ),
    "voita2020": Citation(
        "Voita, E. & Titov, I.",
        2020,
        "Information-theoretic probing with minimum description length",
        "EMNLP, 183-196",
        "10.18653/v1/2020.emnlp-main.14",
    ),
    "wakhloo2023": Citation(
        "Wakhloo, A. J., Sussman, T. J. and Chung, S.",
        2023,
        "Linear classification of neural manifolds with correlated variability",
        "Physical Review Letters 131, 027301",
        "10.1103/PhysRevLett.131.027301",
    ),
    "walther2016": Citation(
        "Walther, A., Nili, H., Ejaz, N., Alink, A., Kriegeskorte, N. and Diedrichsen, J.",
        2016,
        "Reliability of dissimilarity measures for multi-voxel pattern analysis",
        "NeuroImage 137, 188-200",
        "10.1016/j.neuroimage.2015.12.012",
    ),
    "wichmann2001": Citation(
        "Wichmann, F. A. and Hill, N. J.",
        2001,
        "The psychometric function: I. Fitting, sampling, and goodness of fit",
        "Perception & Psychophysics 63, 1293-1313",
        "10.3758/BF03194544",
    ),
    "williams2021": Citation(
        "Williams, A. H., Kunz, E., Kornblith, S. and Linderman, S. W.",
        2021,
        "Generalized shape metrics on neural representations",
        "Advances in Neural Information Processing Systems 34, 4738-4750",
    ),
    "wilson1927": Citation(
        "Wilson, E. B.",
        1927,
        "Probable inference, the law of succession, and statistical inference",
        "Journal of the American Statistical Association 22, 209-212",
        "10.1080/01621459.1927.10502953",
    ),
    "xu2020": Citation(
        "Xu, Y., Zhao, S., Song, J., Stewart, R. & Ermon, S.",
        2020,
        "A theory of usable information under computational constraints",
        "ICLR",
        "10.48550/arXiv.2002.10689",
    ),
}
