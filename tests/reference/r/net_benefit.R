# Net benefit from its definition.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
source(file.path(here, "common.R"))
d <- clinical_table()
p <- fitted(glm(fracture ~ age + vbmd + rad_score, binomial, d,
                control = glm.control(epsilon = 1e-14, maxit = 100)))
at <- c(0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75)
n <- nrow(d)
put("probability", p)
put("threshold", at)
put("net_benefit", sapply(at, function(t)
  sum(p >= t & d$fracture == 1) / n - sum(p >= t & d$fracture == 0) / n * t / (1 - t)))
# Case-control data: the population's prevalence with the sample's sensitivity and specificity.
put("net_benefit_prevalence_0.1", sapply(at, function(t)
  mean(p[d$fracture == 1] >= t) * 0.1 - mean(p[d$fracture == 0] >= t) * 0.9 * t / (1 - t)))
put("treat_all", sapply(at, function(t) mean(d$fracture) - (1 - mean(d$fracture)) * t / (1 - t)))
finish()
