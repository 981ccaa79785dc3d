"""The real-time engine: nested Laplace approximation with importance correction.

Given the standard deviations of the varying terms, the latents (intercept, coefficients, effects) are nearly normal:
Newton finds their mode, which also gives the likelihood of the standard deviations with the latents integrated out
(`mrp.laplace.conditional`). A surrogate of that likelihood shows where to look (`mrp.laplace.surrogate`,
`mrp.laplace.explore`). Two importance weights, against the exact integrand and against the exact joint density, correct
both approximations and say how good they were (`mrp.laplace.engine`).

References
----------
Rue, Martino and Chopin (2009), "Approximate Bayesian inference for latent Gaussian models by using integrated nested
Laplace approximations", JRSS B 71(2), 319-392.
Vehtari, Simpson, Gelman, Yao and Gabry (2024), "Pareto smoothed importance sampling", JMLR 25.
"""
