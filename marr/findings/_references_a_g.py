"""References by key, A to G, in alphabetical order."""

from __future__ import annotations

from marr.findings._citation import Citation

__all__ = ["REFERENCES"]

REFERENCES: dict[str, Citation] = {
    "achterberg2023": Citation(
        "Achterberg, J., Akarca, D., Strouse, D. J., Duncan, J. and Astle, D. E.",
        2023,
        "Spatially embedded recurrent neural networks reveal widespread links between "
        "structural and functional neuroscience findings",
        "Nature Machine Intelligence 5, 1369-1381",
        "10.1038/s42256-023-00748-9",
    ),
    "amelunxen2014": Citation(
        "Amelunxen, D., Lotz, M., McCoy, M. B. and Tropp, J. A.",
        2014,
        "Living on the edge: phase transitions in convex programs with random data",
        "Information and Inference 3, 224-294",
        "10.1093/imaiai/iau005",
    ),
    "badel2016": Citation(
        "Badel, L., Ohta, K., Tsuchimoto, Y. & Kazama, H.",
        2016,
        "Decoding of context-dependent olfactory behavior in Drosophila",
        "Neuron 91, 155-167",
        "10.1016/j.neuron.2016.05.022",
    ),
    "barannikov2022": Citation(
        "Barannikov, S., Trofimov, I., Balabin, N. and Burnaev, E.",
        2022,
        "Representation topology divergence: a method for comparing neural network "
        "representations",
        "International Conference on Machine Learning, 1607-1626",
    ),
    "benjamini1995": Citation(
        "Benjamini, Y. and Hochberg, Y.",
        1995,
        "Controlling the false discovery rate: a practical and powerful approach to "
        "multiple testing",
        "Journal of the Royal Statistical Society B 57, 289-300",
        "10.1111/j.2517-6161.1995.tb02031.x",
    ),
    "bernardi2020": Citation(
        "Bernardi, S., Benna, M. K., Rigotti, M., Munuera, J., Fusi, S. and Salzman, C. D.",
        2020,
        "The geometry of abstraction in the hippocampus and prefrontal cortex",
        "Cell 183, 954-967",
        "10.1016/j.cell.2020.09.031",
    ),
    "bjorck1973": Citation(
        "Björck, Å. and Golub, G. H.",
        1973,
        "Numerical methods for computing angles between linear subspaces",
        "Mathematics of Computation 27, 579-594",
        "10.1090/S0025-5718-1973-0348991-3",
    ),
    "borg2005": Citation(
        "Borg, I. and Groenen, P. J. F.",
        2005,
        "Modern multidimensional scaling: theory and applications",
        "Springer",
        "10.1007/0-387-28981-X",
    ),
    "britten1996": Citation(
        "Britten, K. H., Newsome, W. T., Shadlen, M. N., Celebrini, S. and Movshon, J. A.",
        1996,
        "A relationship between behavioral choice and the visual responses of neurons in "
        "macaque MT",
        "Visual Neuroscience 13, 87-100",
        "10.1017/S095252380000715X",
    ),
    "brysbaert2014": Citation(
        "Brysbaert, M., Warriner, A. B. & Kuperman, V.",
        2014,
        "Concreteness ratings for 40 thousand generally known English word lemmas",
        "Behavior Research Methods 46, 904-911",
        "10.3758/s13428-013-0403-5",
    ),
    "candes2018": Citation(
        "Candès, E., Fan, Y., Janson, L. and Lv, J.",
        2018,
        "Panning for gold: 'model-X' knockoffs for high dimensional controlled variable "
        "selection",
        "Journal of the Royal Statistical Society B 80, 551-577",
        "10.1111/rssb.12265",
    ),
    "cho2014": Citation(
        "Cho, K. et al.",
        2014,
        "Learning phrase representations using RNN encoder-decoder for statistical "
        "machine translation",
        "Conference on Empirical Methods in Natural Language Processing",
        "10.3115/v1/D14-1179",
    ),
    "chung2018": Citation(
        "Chung, S., Lee, D. D. and Sompolinsky, H.",
        2018,
        "Classification and geometry of general perceptual manifolds",
        "Physical Review X 8, 031003",
        "10.1103/PhysRevX.8.031003",
    ),
    "cohen2011": Citation(
        "Cohen, M. R. and Kohn, A.",
        2011,
        "Measuring and interpreting neuronal correlations",
        "Nature Neuroscience 14, 811-819",
        "10.1038/nn.2842",
    ),
    "cook1982": Citation(
        "Cook, R. D. and Weisberg, S.",
        1982,
        "Residuals and influence in regression",
        "Chapman and Hall",
    ),
    "cortes1995": Citation(
        "Cortes, C. and Vapnik, V.",
        1995,
        "Support-vector networks",
        "Machine Learning 20, 273-297",
        "10.1007/BF00994018",
    ),
    "cover1965": Citation(
        "Cover, T. M.",
        1965,
        "Geometrical and statistical properties of systems of linear inequalities with applications in pattern recognition",
        "IEEE Transactions on Electronic Computers EC-14, 326-334",
        "10.1109/PGEC.1965.264137",
    ),
    "cox1958": Citation(
        "Cox, D. R.",
        1958,
        "The regression analysis of binary sequences",
        "Journal of the Royal Statistical Society B 20, 215-242",
        "10.1111/j.2517-6161.1958.tb00292.x",
    ),
    "cunningham2024": Citation(
        "Cunningham, H., Ewart, A., Riggs, L., Huben, R. and Sharkey, L.",
        2024,
        "Sparse autoencoders find highly interpretable features in language models",
        "International Conference on Learning Representations; arXiv:2309.08600",
    ),
    "dekker2007": Citation(
        "Dekker, D., Krackhardt, D. and Snijders, T. A. B.",
        2007,
        "Sensitivity of MRQAP tests to collinearity and autocorrelation conditions",
        "Psychometrika 72, 563-581",
        "10.1007/s11336-007-9016-1",
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
    "duprelatour2022": Citation(
        "Dupré la Tour, T., Eickenberg, M., Nunez-Elizalde, A. O. and Gallant, J. L.",
        2022,
        "Feature-space selection with banded ridge regression",
        "NeuroImage 264, 119728",
        "10.1016/j.neuroimage.2022.119728",
    ),
    "efron1987": Citation(
        "Efron, B.",
        1987,
        "Better bootstrap confidence intervals",
        "Journal of the American Statistical Association 82, 171-185",
        "10.1080/01621459.1987.10478410",
    ),
    "elazar2021": Citation(
        "Elazar, Y., Ravfogel, S., Jacovi, A. & Goldberg, Y.",
        2021,
        "Amnesic probing: behavioral explanation with amnesic counterfactuals",
        "Transactions of the ACL 9, 160-175",
        "10.1162/tacl_a_00359",
    ),
    "elhage2022": Citation(
        "Elhage, N. et al.",
        2022,
        "Toy models of superposition",
        "Transformer Circuits Thread; arXiv:2209.10652",
    ),
    "elsayed2016": Citation(
        "Elsayed, G. F., Lara, A. H., Kaufman, M. T., Churchland, M. M. and Cunningham, J. P.",
        2016,
        "Reorganization between preparatory and movement population responses in motor cortex",
        "Nature Communications 7, 13239",
        "10.1038/ncomms13239",
    ),
    "elvira2019": Citation(
        "Elvira, V., Martino, L., Luengo, D. and Bugallo, M. F.",
        2019,
        "Generalized multiple importance sampling",
        "Statistical Science 34, 129-155",
        "10.1214/18-STS668",
    ),
    "ernst2004": Citation(
        "Ernst, M. D.",
        2004,
        "Permutation methods: a basis for exact inference",
        "Statistical Science 19, 676-685",
        "10.1214/088342304000000396",
    ),
    "facco2017": Citation(
        "Facco, E., d'Errico, M., Rodriguez, A. and Laio, A.",
        2017,
        "Estimating the intrinsic dimension of datasets by a minimal neighborhood information",
        "Scientific Reports 7, 12140",
        "10.1038/s41598-017-11873-y",
    ),
    "freedman1983": Citation(
        "Freedman, D. and Lane, D.",
        1983,
        "A nonstochastic interpretation of reported significance levels",
        "Journal of Business & Economic Statistics 1, 292-298",
        "10.1080/07350015.1983.10509354",
    ),
    "friedman1989": Citation(
        "Friedman, J. H.",
        1989,
        "Regularized discriminant analysis",
        "Journal of the American Statistical Association 84, 165-175",
        "10.1080/01621459.1989.10478752",
    ),
    "friedman2023": Citation(
        "Friedman, D. and Dieng, A. B.",
        2023,
        "The Vendi score: A diversity evaluation metric for machine learning",
        "Transactions on Machine Learning Research",
    ),
    "fukunaga1971": Citation(
        "Fukunaga, K. and Olsen, D. R.",
        1971,
        "An algorithm for finding intrinsic dimensionality of data",
        "IEEE Transactions on Computers C-20, 176-183",
        "10.1109/T-C.1971.223208",
    ),
    "gao2017": Citation(
        "Gao, P., Trautmann, E., Yu, B., Santhanam, G., Ryu, S., Shenoy, K. and Ganguli, S.",
        2017,
        "A theory of multineuronal dimensionality, dynamics and measurement",
        "bioRxiv",
        "10.1101/214262",
    ),
    "gao2024": Citation(
        "Gao, L. et al.",
        2024,
        "Scaling and evaluating sparse autoencoders",
        "arXiv:2406.04093",
    ),
    "geirhos2020": Citation(
        "Geirhos, R., Meding, K. and Wichmann, F. A.",
        2020,
        "Beyond accuracy: quantifying trial-by-trial behaviour of CNNs and humans by "
        "measuring error consistency",
        "Advances in Neural Information Processing Systems 33, 13890-13902",
    ),
    "giordano2023": Citation(
        "Giordano, R. and Broderick, T.",
        2023,
        "The Bayesian infinitesimal jackknife for variance",
        "arXiv:2305.06466",
    ),
    "golub1979": Citation(
        "Golub, G. H., Heath, M. and Wahba, G.",
        1979,
        "Generalized cross-validation as a method for choosing a good ridge parameter",
        "Technometrics 21, 215-223",
        "10.1080/00401706.1979.10489751",
    ),
    "gower1975": Citation(
        "Gower, J. C.",
        1975,
        "Generalized Procrustes analysis",
        "Psychometrika 40, 33-51",
        "10.1007/BF02291478",
    ),
}
