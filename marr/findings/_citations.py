"""References that methods cite, by key."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CITATIONS", "Citation"]


@dataclass(frozen=True)
class Citation:
    """A reference: authors, year, title, where; DOI where there is one."""

    authors: str
    year: int
    title: str
    venue: str
    doi: str = ""

    def text(self) -> str:
        """Return the reference as one line."""
        link = f" https://doi.org/{self.doi}" if self.doi else ""
        return f"{self.authors} ({self.year}). {self.title}. {self.venue}.{link}"

    def bibtex(self, key: str) -> str:
        """Return the reference as a BibTeX entry."""
        doi = f",\n  doi = {{{self.doi}}}" if self.doi else ""
        return (
            f"@misc{{{key},\n  author = {{{self.authors}}},\n  year = {{{self.year}}},\n"
            f"  title = {{{self.title}}},\n  howpublished = {{{self.venue}}}{doi}\n}}"
        )


CITATIONS: dict[str, Citation] = {
    "marr1982": Citation(
        "Marr, D.",
        1982,
        "Vision: A computational investigation into the human representation and "
        "processing of visual information",
        "W. H. Freeman",
    ),
    "wichmann2001": Citation(
        "Wichmann, F. A. and Hill, N. J.",
        2001,
        "The psychometric function: I. Fitting, sampling, and goodness of fit",
        "Perception & Psychophysics 63, 1293-1313",
        "10.3758/BF03194544",
    ),
    "schutt2016": Citation(
        "Schütt, H. H., Harmeling, S., Macke, J. H. and Wichmann, F. A.",
        2016,
        "Painfree and accurate Bayesian estimation of psychometric functions for "
        "(potentially) overdispersed data",
        "Vision Research 122, 105-123",
        "10.1016/j.visres.2016.02.002",
    ),
    "giordano2023": Citation(
        "Giordano, R. and Broderick, T.",
        2023,
        "The Bayesian infinitesimal jackknife for variance",
        "arXiv:2305.06466",
    ),
    "elvira2019": Citation(
        "Elvira, V., Martino, L., Luengo, D. and Bugallo, M. F.",
        2019,
        "Generalized multiple importance sampling",
        "Statistical Science 34, 129-155",
        "10.1214/18-STS668",
    ),
    "wilson1927": Citation(
        "Wilson, E. B.",
        1927,
        "Probable inference, the law of succession, and statistical inference",
        "Journal of the American Statistical Association 22, 209-212",
        "10.1080/01621459.1927.10502953",
    ),
    "friedman1989": Citation(
        "Friedman, J. H.",
        1989,
        "Regularized discriminant analysis",
        "Journal of the American Statistical Association 84, 165-175",
        "10.1080/01621459.1989.10478752",
    ),
    "cox1958": Citation(
        "Cox, D. R.",
        1958,
        "The regression analysis of binary sequences",
        "Journal of the Royal Statistical Society B 20, 215-242",
        "10.1111/j.2517-6161.1958.tb00292.x",
    ),
    "cortes1995": Citation(
        "Cortes, C. and Vapnik, V.",
        1995,
        "Support-vector networks",
        "Machine Learning 20, 273-297",
        "10.1007/BF00994018",
    ),
    "kingma2015": Citation(
        "Kingma, D. P. and Ba, J.",
        2015,
        "Adam: a method for stochastic optimization",
        "International Conference on Learning Representations",
        "10.48550/arXiv.1412.6980",
    ),
    "nadeau2003": Citation(
        "Nadeau, C. and Bengio, Y.",
        2003,
        "Inference for the generalization error",
        "Machine Learning 52, 239-281",
        "10.1023/A:1024068626366",
    ),
    "candes2018": Citation(
        "Candès, E., Fan, Y., Janson, L. and Lv, J.",
        2018,
        "Panning for gold: 'model-X' knockoffs for high dimensional controlled variable "
        "selection",
        "Journal of the Royal Statistical Society B 80, 551-577",
        "10.1111/rssb.12265",
    ),
    "schafer2005": Citation(
        "Schäfer, J. and Strimmer, K.",
        2005,
        "A shrinkage approach to large-scale covariance matrix estimation and "
        "implications for functional genomics",
        "Statistical Applications in Genetics and Molecular Biology 4, 32",
        "10.2202/1544-6115.1175",
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
    "king2014": Citation(
        "King, J.-R. and Dehaene, S.",
        2014,
        "Characterizing the dynamics of mental representations: the temporal "
        "generalization method",
        "Trends in Cognitive Sciences 18, 203-210",
        "10.1016/j.tics.2014.01.002",
    ),
    "hoerl1970": Citation(
        "Hoerl, A. E. and Kennard, R. W.",
        1970,
        "Ridge regression: biased estimation for nonorthogonal problems",
        "Technometrics 12, 55-67",
        "10.1080/00401706.1970.10488634",
    ),
    "nichols2002": Citation(
        "Nichols, T. E. and Holmes, A. P.",
        2002,
        "Nonparametric permutation tests for functional neuroimaging: a primer with "
        "examples",
        "Human Brain Mapping 15, 1-25",
        "10.1002/hbm.1058",
    ),
    "maris2007": Citation(
        "Maris, E. and Oostenveld, R.",
        2007,
        "Nonparametric statistical testing of EEG- and MEG-data",
        "Journal of Neuroscience Methods 164, 177-190",
        "10.1016/j.jneumeth.2007.03.024",
    ),
    "benjamini1995": Citation(
        "Benjamini, Y. and Hochberg, Y.",
        1995,
        "Controlling the false discovery rate: a practical and powerful approach to "
        "multiple testing",
        "Journal of the Royal Statistical Society B 57, 289-300",
        "10.1111/j.2517-6161.1995.tb02031.x",
    ),
    "holm1979": Citation(
        "Holm, S.",
        1979,
        "A simple sequentially rejective multiple test procedure",
        "Scandinavian Journal of Statistics 6, 65-70",
    ),
    "phipson2010": Citation(
        "Phipson, B. and Smyth, G. K.",
        2010,
        "Permutation p-values should never be zero: calculating exact p-values when "
        "permutations are randomly drawn",
        "Statistical Applications in Genetics and Molecular Biology 9, 39",
        "10.2202/1544-6115.1585",
    ),
    "ernst2004": Citation(
        "Ernst, M. D.",
        2004,
        "Permutation methods: a basis for exact inference",
        "Statistical Science 19, 676-685",
        "10.1214/088342304000000396",
    ),
    "freedman1983": Citation(
        "Freedman, D. and Lane, D.",
        1983,
        "A nonstochastic interpretation of reported significance levels",
        "Journal of Business & Economic Statistics 1, 292-298",
        "10.1080/07350015.1983.10509354",
    ),
    "harris2020": Citation(
        "Harris, K. D.",
        2020,
        "Nonsense correlations in neuroscience",
        "bioRxiv 2020.11.29.402719",
        "10.1101/2020.11.29.402719",
    ),
    "efron1987": Citation(
        "Efron, B.",
        1987,
        "Better bootstrap confidence intervals",
        "Journal of the American Statistical Association 82, 171-185",
        "10.1080/01621459.1987.10478410",
    ),
    "kriegeskorte2008": Citation(
        "Kriegeskorte, N., Mur, M. and Bandettini, P.",
        2008,
        "Representational similarity analysis - connecting the branches of systems "
        "neuroscience",
        "Frontiers in Systems Neuroscience 2, 4",
        "10.3389/neuro.06.004.2008",
    ),
    "kriegeskorte2006": Citation(
        "Kriegeskorte, N., Goebel, R. and Bandettini, P.",
        2006,
        "Information-based functional brain mapping",
        "Proceedings of the National Academy of Sciences 103, 3863-3868",
        "10.1073/pnas.0600244103",
    ),
    "walther2016": Citation(
        "Walther, A., Nili, H., Ejaz, N., Alink, A., Kriegeskorte, N. and Diedrichsen, J.",
        2016,
        "Reliability of dissimilarity measures for multi-voxel pattern analysis",
        "NeuroImage 137, 188-200",
        "10.1016/j.neuroimage.2015.12.012",
    ),
    "nili2014": Citation(
        "Nili, H., Wingfield, C., Walther, A., Su, L., Marslen-Wilson, W. and "
        "Kriegeskorte, N.",
        2014,
        "A toolbox for representational similarity analysis",
        "PLoS Computational Biology 10, e1003553",
        "10.1371/journal.pcbi.1003553",
    ),
    "schutt2023": Citation(
        "Schütt, H. H., Kipnis, A. D., Diedrichsen, J. and Kriegeskorte, N.",
        2023,
        "Statistical inference on representational geometries",
        "eLife 12, e82566",
        "10.7554/eLife.82566",
    ),
    "diedrichsen2021": Citation(
        "Diedrichsen, J., Berlot, E., Mur, M., Schütt, H. H., Shahbazi, M. and "
        "Kriegeskorte, N.",
        2021,
        "Comparing representational geometries using whitened unbiased-distance-matrix "
        "similarity",
        "Neurons, Behavior, Data analysis, and Theory 5",
        "10.51628/001c.27664",
    ),
    "dekker2007": Citation(
        "Dekker, D., Krackhardt, D. and Snijders, T. A. B.",
        2007,
        "Sensitivity of MRQAP tests to collinearity and autocorrelation conditions",
        "Psychometrika 72, 563-581",
        "10.1007/s11336-007-9016-1",
    ),
    "ledoit2004": Citation(
        "Ledoit, O. and Wolf, M.",
        2004,
        "A well-conditioned estimator for large-dimensional covariance matrices",
        "Journal of Multivariate Analysis 88, 365-411",
        "10.1016/S0047-259X(03)00096-4",
    ),
    "morcos2018": Citation(
        "Morcos, A. S., Barrett, D. G. T., Rabinowitz, N. C. and Botvinick, M.",
        2018,
        "On the importance of single directions for generalization",
        "International Conference on Learning Representations",
    ),
    "meyes2019": Citation(
        "Meyes, R., Lu, M., Waubert de Puiseau, C. and Meisen, T.",
        2019,
        "Ablation studies in artificial neural networks",
        "arXiv:1901.08644",
    ),
    "cook1982": Citation(
        "Cook, R. D. and Weisberg, S.",
        1982,
        "Residuals and influence in regression",
        "Chapman and Hall",
    ),
    "badel2016": Citation(
        "Badel, L., Ohta, K., Tsuchimoto, Y. & Kazama, H.",
        2016,
        "Decoding of context-dependent olfactory behavior in Drosophila",
        "Neuron 91, 155-167",
        "10.1016/j.neuron.2016.05.022",
    ),
    "munch2016": Citation(
        "Münch, D. & Galizia, C. G.",
        2016,
        "DoOR 2.0 - comprehensive mapping of Drosophila melanogaster odorant responses",
        "Scientific Reports 6, 21841",
        "10.1038/srep21841",
    ),
    "lynott2020": Citation(
        "Lynott, D., Connell, L., Brysbaert, M., Brand, J. & Carney, J.",
        2020,
        "The Lancaster sensorimotor norms: multidimensional measures of perceptual and "
        "action strength for 40,000 English words",
        "Behavior Research Methods 52, 1271-1291",
        "10.3758/s13428-019-01316-z",
    ),
    "brysbaert2014": Citation(
        "Brysbaert, M., Warriner, A. B. & Kuperman, V.",
        2014,
        "Concreteness ratings for 40 thousand generally known English word lemmas",
        "Behavior Research Methods 46, 904-911",
        "10.3758/s13428-013-0403-5",
    ),
    "miller1998": Citation(
        "Miller, J., Patterson, T. & Ulrich, R.",
        1998,
        "Jackknife-based method for measuring LRP onset latency differences",
        "Psychophysiology 35, 99-115",
        "10.1111/1469-8986.3510099",
    ),
    "sassenhagen2019": Citation(
        "Sassenhagen, J. & Draschkow, D.",
        2019,
        "Cluster-based permutation tests of MEG/EEG data do not establish significance "
        "of effect latency or location",
        "Psychophysiology 56, e13335",
        "10.1111/psyp.13335",
    ),
    "voita2020": Citation(
        "Voita, E. & Titov, I.",
        2020,
        "Information-theoretic probing with minimum description length",
        "EMNLP, 183-196",
        "10.18653/v1/2020.emnlp-main.14",
    ),
    "xu2020": Citation(
        "Xu, Y., Zhao, S., Song, J., Stewart, R. & Ermon, S.",
        2020,
        "A theory of usable information under computational constraints",
        "ICLR",
        "10.48550/arXiv.2002.10689",
    ),
    "hewitt2019": Citation(
        "Hewitt, J. & Liang, P.",
        2019,
        "Designing and interpreting probes with control tasks",
        "EMNLP, 2733-2743",
        "10.18653/v1/D19-1275",
    ),
    "elazar2021": Citation(
        "Elazar, Y., Ravfogel, S., Jacovi, A. & Goldberg, Y.",
        2021,
        "Amnesic probing: behavioral explanation with amnesic counterfactuals",
        "Transactions of the ACL 9, 160-175",
        "10.1162/tacl_a_00359",
    ),
    "ravfogel2020": Citation(
        "Ravfogel, S., Elazar, Y., Gonen, H., Twiton, M. & Goldberg, Y.",
        2020,
        "Null it out: guarding protected attributes by iterative nullspace projection",
        "ACL, 7237-7256",
        "10.18653/v1/2020.acl-main.647",
    ),
    "haxby2011": Citation(
        "Haxby, J. V. et al.",
        2011,
        "A common, high-dimensional model of the representational space in human ventral "
        "temporal cortex",
        "Neuron 72, 404-416",
        "10.1016/j.neuron.2011.08.026",
    ),
    "gower1975": Citation(
        "Gower, J. C.",
        1975,
        "Generalized Procrustes analysis",
        "Psychometrika 40, 33-51",
        "10.1007/BF02291478",
    ),
    "haxby2001": Citation(
        "Haxby, J. V. et al.",
        2001,
        "Distributed and overlapping representations of faces and objects in ventral "
        "temporal cortex",
        "Science 293, 2425-2430",
        "10.1126/science.1063736",
    ),
    "ibl2021": Citation(
        "The International Brain Laboratory et al.",
        2021,
        "Standardized and reproducible measurement of decision-making in mice",
        "eLife 10, e63711",
        "10.7554/eLife.63711",
    ),
    "viejo2023": Citation(
        "Viejo, G. et al.",
        2023,
        "Pynapple, a toolbox for data analysis in neuroscience",
        "eLife 12, RP85786",
        "10.7554/eLife.85786",
    ),
    "peyrache2015": Citation(
        "Peyrache, A., Lacroix, M. M., Petersen, P. C. and Buzsáki, G.",
        2015,
        "Internally organized mechanisms of the head direction sense",
        "Nature Neuroscience 18, 569-575",
        "10.1038/nn.3968",
    ),
    "cho2014": Citation(
        "Cho, K. et al.",
        2014,
        "Learning phrase representations using RNN encoder-decoder for statistical "
        "machine translation",
        "Conference on Empirical Methods in Natural Language Processing",
        "10.3115/v1/D14-1179",
    ),
    "schuirmann1987": Citation(
        "Schuirmann, D. J.",
        1987,
        "A comparison of the two one-sided tests procedure and the power approach for "
        "assessing the equivalence of average bioavailability",
        "Journal of Pharmacokinetics and Biopharmaceutics 15, 657-680",
        "10.1007/BF01068419",
    ),
    "skaggs1993": Citation(
        "Skaggs, W. E., McNaughton, B. L., Gothard, K. M. and Markus, E. J.",
        1993,
        "An information-theoretic approach to deciphering the hippocampal code",
        "Advances in Neural Information Processing Systems 5, 1030-1037",
    ),
    "nelder1972": Citation(
        "Nelder, J. A. and Wedderburn, R. W. M.",
        1972,
        "Generalized linear models",
        "Journal of the Royal Statistical Society A 135, 370-384",
        "10.2307/2344614",
    ),
    "rigotti2013": Citation(
        "Rigotti, M., Barak, O., Warden, M. R., Wang, X.-J., Daw, N. D., Miller, E. K. "
        "and Fusi, S.",
        2013,
        "The importance of mixed selectivity in complex cognitive tasks",
        "Nature 497, 585-590",
        "10.1038/nature12160",
    ),
    "achterberg2023": Citation(
        "Achterberg, J., Akarca, D., Strouse, D. J., Duncan, J. and Astle, D. E.",
        2023,
        "Spatially embedded recurrent neural networks reveal widespread links between "
        "structural and functional neuroscience findings",
        "Nature Machine Intelligence 5, 1369-1381",
        "10.1038/s42256-023-00748-9",
    ),
    "cohen2011": Citation(
        "Cohen, M. R. and Kohn, A.",
        2011,
        "Measuring and interpreting neuronal correlations",
        "Nature Neuroscience 14, 811-819",
        "10.1038/nn.2842",
    ),
    "kobak2016": Citation(
        "Kobak, D. et al.",
        2016,
        "Demixed principal component analysis of neural population data",
        "eLife 5, e10989",
        "10.7554/eLife.10989",
    ),
    "mante2013": Citation(
        "Mante, V., Sussillo, D., Shenoy, K. V. and Newsome, W. T.",
        2013,
        "Context-dependent computation by recurrent dynamics in prefrontal cortex",
        "Nature 503, 78-84",
        "10.1038/nature12742",
    ),
    "leinster2012": Citation(
        "Leinster, T. and Cobbold, C. A.",
        2012,
        "Measuring diversity: the importance of species similarity",
        "Ecology 93, 477-489",
        "10.1890/10-2402.1",
    ),
    "friedman2023": Citation(
        "Friedman, D. and Dieng, A. B.",
        2023,
        "The Vendi score: A diversity evaluation metric for machine learning",
        "Transactions on Machine Learning Research",
    ),
    "britten1996": Citation(
        "Britten, K. H., Newsome, W. T., Shadlen, M. N., Celebrini, S. and Movshon, J. A.",
        1996,
        "A relationship between behavioral choice and the visual responses of neurons in "
        "macaque MT",
        "Visual Neuroscience 13, 87-100",
        "10.1017/S095252380000715X",
    ),
    "kang2012": Citation(
        "Kang, I. and Maunsell, J. H. R.",
        2012,
        "Potential confounds in estimating trial-to-trial correlations between neuronal "
        "response and behavior using choice probabilities",
        "Journal of Neurophysiology 108, 3403-3415",
        "10.1152/jn.00471.2012",
    ),
    "gao2017": Citation(
        "Gao, P., Trautmann, E., Yu, B., Santhanam, G., Ryu, S., Shenoy, K. and Ganguli, S.",
        2017,
        "A theory of multineuronal dimensionality, dynamics and measurement",
        "bioRxiv",
        "10.1101/214262",
    ),
    "himeno2014": Citation(
        "Himeno, T. and Yamada, T.",
        2014,
        "Estimations for some functions of covariance matrix in high dimension under non-normality and its applications",
        "Journal of Multivariate Analysis 130, 27-44",
        "10.1016/j.jmva.2014.04.020",
    ),
    "facco2017": Citation(
        "Facco, E., d'Errico, M., Rodriguez, A. and Laio, A.",
        2017,
        "Estimating the intrinsic dimension of datasets by a minimal neighborhood information",
        "Scientific Reports 7, 12140",
        "10.1038/s41598-017-11873-y",
    ),
    "levina2004": Citation(
        "Levina, E. and Bickel, P. J.",
        2004,
        "Maximum likelihood estimation of intrinsic dimension",
        "Advances in Neural Information Processing Systems 17",
    ),
    "mackay2005": Citation(
        "MacKay, D. J. C. and Ghahramani, Z.",
        2005,
        "Comments on 'Maximum likelihood estimation of intrinsic dimension' by E. Levina and P. Bickel (2004)",
        "The Inference Group, University of Cambridge",
    ),
    "fukunaga1971": Citation(
        "Fukunaga, K. and Olsen, D. R.",
        1971,
        "An algorithm for finding intrinsic dimensionality of data",
        "IEEE Transactions on Computers C-20, 176-183",
        "10.1109/T-C.1971.223208",
    ),
    "horn1965": Citation(
        "Horn, J. L.",
        1965,
        "A rationale and test for the number of factors in factor analysis",
        "Psychometrika 30, 179-185",
        "10.1007/BF02289447",
    ),
    "stringer2019": Citation(
        "Stringer, C., Pachitariu, M., Steinmetz, N., Carandini, M. and Harris, K. D.",
        2019,
        "High-dimensional geometry of population responses in visual cortex",
        "Nature 571, 361-365",
        "10.1038/s41586-019-1346-5",
    ),
    "bernardi2020": Citation(
        "Bernardi, S., Benna, M. K., Rigotti, M., Munuera, J., Fusi, S. and Salzman, C. D.",
        2020,
        "The geometry of abstraction in the hippocampus and prefrontal cortex",
        "Cell 183, 954-967",
        "10.1016/j.cell.2020.09.031",
    ),
    "elsayed2016": Citation(
        "Elsayed, G. F., Lara, A. H., Kaufman, M. T., Churchland, M. M. and Cunningham, J. P.",
        2016,
        "Reorganization between preparatory and movement population responses in motor cortex",
        "Nature Communications 7, 13239",
        "10.1038/ncomms13239",
    ),
    "bjorck1973": Citation(
        "Björck, Å. and Golub, G. H.",
        1973,
        "Numerical methods for computing angles between linear subspaces",
        "Mathematics of Computation 27, 579-594",
        "10.1090/S0025-5718-1973-0348991-3",
    ),
    "chung2018": Citation(
        "Chung, S., Lee, D. D. and Sompolinsky, H.",
        2018,
        "Classification and geometry of general perceptual manifolds",
        "Physical Review X 8, 031003",
        "10.1103/PhysRevX.8.031003",
    ),
    "wakhloo2023": Citation(
        "Wakhloo, A. J., Sussman, T. J. and Chung, S.",
        2023,
        "Linear classification of neural manifolds with correlated variability",
        "Physical Review Letters 131, 027301",
        "10.1103/PhysRevLett.131.027301",
    ),
    "amelunxen2014": Citation(
        "Amelunxen, D., Lotz, M., McCoy, M. B. and Tropp, J. A.",
        2014,
        "Living on the edge: phase transitions in convex programs with random data",
        "Information and Inference 3, 224-294",
        "10.1093/imaiai/iau005",
    ),
    "cover1965": Citation(
        "Cover, T. M.",
        1965,
        "Geometrical and statistical properties of systems of linear inequalities with applications in pattern recognition",
        "IEEE Transactions on Electronic Computers EC-14, 326-334",
        "10.1109/PGEC.1965.264137",
    ),
    "naselaris2011": Citation(
        "Naselaris, T., Kay, K. N., Nishimoto, S. and Gallant, J. L.",
        2011,
        "Encoding and decoding in fMRI",
        "NeuroImage 56, 400-410",
        "10.1016/j.neuroimage.2010.07.073",
    ),
    "duprelatour2022": Citation(
        "Dupré la Tour, T., Eickenberg, M., Nunez-Elizalde, A. O. and Gallant, J. L.",
        2022,
        "Feature-space selection with banded ridge regression",
        "NeuroImage 264, 119728",
        "10.1016/j.neuroimage.2022.119728",
    ),
    "rosipal2001": Citation(
        "Rosipal, R. and Trejo, L. J.",
        2001,
        "Kernel partial least squares regression in reproducing kernel Hilbert space",
        "Journal of Machine Learning Research 2, 97-123",
    ),
    "schoppe2016": Citation(
        "Schoppe, O. et al.",
        2016,
        "Measuring the performance of neural models",
        "Frontiers in Computational Neuroscience 10, 10",
        "10.3389/fncom.2016.00010",
    ),
    "elhage2022": Citation(
        "Elhage, N. et al.",
        2022,
        "Toy models of superposition",
        "Transformer Circuits Thread; arXiv:2209.10652",
    ),
    "gao2024": Citation(
        "Gao, L. et al.",
        2024,
        "Scaling and evaluating sparse autoencoders",
        "arXiv:2406.04093",
    ),
    "rajamanoharan2024": Citation(
        "Rajamanoharan, S. et al.",
        2024,
        "Jumping ahead: improving reconstruction fidelity with JumpReLU sparse "
        "autoencoders",
        "arXiv:2407.14435",
    ),
    "cunningham2024": Citation(
        "Cunningham, H., Ewart, A., Riggs, L., Huben, R. and Sharkey, L.",
        2024,
        "Sparse autoencoders find highly interpretable features in language models",
        "International Conference on Learning Representations; arXiv:2309.08600",
    ),
    "lee1999": Citation(
        "Lee, D. D. and Seung, H. S.",
        1999,
        "Learning the parts of objects by non-negative matrix factorization",
        "Nature 401, 788-791",
        "10.1038/44565",
    ),
    "hyvarinen1999": Citation(
        "Hyvärinen, A.",
        1999,
        "Fast and robust fixed-point algorithms for independent component analysis",
        "IEEE Transactions on Neural Networks 10, 626-634",
        "10.1109/72.761722",
    ),
    "kornblith2019": Citation(
        "Kornblith, S., Norouzi, M., Lee, H. and Hinton, G.",
        2019,
        "Similarity of neural network representations revisited",
        "International Conference on Machine Learning, 3519-3529",
    ),
    "song2012": Citation(
        "Song, L., Smola, A., Gretton, A., Bedo, J. and Borgwardt, K.",
        2012,
        "Feature selection via dependence maximization",
        "Journal of Machine Learning Research 13, 1393-1434",
    ),
    "murphy2024": Citation(
        "Murphy, A., Zylberberg, J. and Fyshe, A.",
        2024,
        "Correcting biased centered kernel alignment measures in biological and "
        "artificial neural networks",
        "arXiv:2405.01012",
    ),
    "williams2021": Citation(
        "Williams, A. H., Kunz, E., Kornblith, S. and Linderman, S. W.",
        2021,
        "Generalized shape metrics on neural representations",
        "Advances in Neural Information Processing Systems 34, 4738-4750",
    ),
    "harvey2024": Citation(
        "Harvey, S. E., Larsen, B. W. and Williams, A. H.",
        2024,
        "Duality of Bures and shape distances with implications for comparing neural "
        "representations",
        "Unifying Representations in Neural Models, PMLR 243, 11-26",
    ),
    "hotelling1936": Citation(
        "Hotelling, H.",
        1936,
        "Relations between two sets of variates",
        "Biometrika 28, 321-377",
        "10.1093/biomet/28.3-4.321",
    ),
    "raghu2017": Citation(
        "Raghu, M., Gilmer, J., Yosinski, J. and Sohl-Dickstein, J.",
        2017,
        "SVCCA: singular vector canonical correlation analysis for deep learning "
        "dynamics and interpretability",
        "Advances in Neural Information Processing Systems 30, 6076-6085",
    ),
    "morcos2018cca": Citation(
        "Morcos, A. S., Raghu, M. and Bengio, S.",
        2018,
        "Insights on representational similarity in neural networks with canonical "
        "correlation",
        "Advances in Neural Information Processing Systems 31, 5727-5736",
    ),
    "schrimpf2018": Citation(
        "Schrimpf, M. et al.",
        2018,
        "Brain-Score: which artificial neural network for object recognition is most "
        "brain-like?",
        "bioRxiv 407007",
        "10.1101/407007",
    ),
    "golub1979": Citation(
        "Golub, G. H., Heath, M. and Wahba, G.",
        1979,
        "Generalized cross-validation as a method for choosing a good ridge parameter",
        "Technometrics 21, 215-223",
        "10.1080/00401706.1979.10489751",
    ),
    "huh2024": Citation(
        "Huh, M., Cheung, B., Wang, T. and Isola, P.",
        2024,
        "The platonic representation hypothesis",
        "International Conference on Machine Learning, 20617-20642",
    ),
    "barannikov2022": Citation(
        "Barannikov, S., Trofimov, I., Balabin, N. and Burnaev, E.",
        2022,
        "Representation topology divergence: a method for comparing neural network "
        "representations",
        "International Conference on Machine Learning, 1607-1626",
    ),
    "tulchinskii2025": Citation(
        "Tulchinskii, E., Voronkova, D., Trofimov, I., Burnaev, E. and Barannikov, S.",
        2025,
        "RTD-lite: scalable topological analysis for comparing weighted graphs in "
        "learning tasks",
        "arXiv:2503.11910",
    ),
    "sucholutsky2023": Citation(
        "Sucholutsky, I. et al.",
        2023,
        "Getting aligned on representational alignment",
        "arXiv:2310.13018",
    ),
    "borg2005": Citation(
        "Borg, I. and Groenen, P. J. F.",
        2005,
        "Modern multidimensional scaling: theory and applications",
        "Springer",
        "10.1007/0-387-28981-X",
    ),
    "geirhos2020": Citation(
        "Geirhos, R., Meding, K. and Wichmann, F. A.",
        2020,
        "Beyond accuracy: quantifying trial-by-trial behaviour of CNNs and humans by "
        "measuring error consistency",
        "Advances in Neural Information Processing Systems 33, 13890-13902",
    ),
}
"""Every reference that an analysis, link or data set may cite."""
