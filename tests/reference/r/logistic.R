# Logistic model and its calibration: glm, Hmisc.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
source(file.path(here, "common.R"))
suppressMessages(library(Hmisc))
d <- clinical_table()
exact <- glm.control(epsilon = 1e-14, maxit = 100)
m <- glm(fracture ~ age + sex + grade + vbmd + rad_score, binomial, d, control = exact)
p <- fitted(m)
put("coefficients", coef(m))
# glm keeps the weights of its last but one step; one more step from the solution has the others.
put("standard_errors", sqrt(diag(vcov(update(m, start = coef(m))))))
put("fitted", p)
put("c_index", somers2(p, d$fracture)["C"])
put("brier", mean((p - d$fracture)^2))
hosmer_lemeshow <- function(y, p, g) {
  group <- cut(p, unique(quantile(p, 0:g / g)), include.lowest = TRUE)
  observed <- tapply(y, group, sum)
  expected <- tapply(p, group, sum)
  n <- tapply(y, group, length)
  x2 <- sum((observed - expected)^2 / (expected * (1 - expected / n)))
  c(x2, g - 2, pchisq(x2, g - 2, lower.tail = FALSE))
}
put("hosmer_lemeshow_10", hosmer_lemeshow(d$fracture, p, 10))
put("hosmer_lemeshow_6", hosmer_lemeshow(d$fracture, p, 6))

# Calibration of a model of the first half on the second half.
first <- seq_len(nrow(d)) <= nrow(d) / 2
half <- glm(fracture ~ age + vbmd, binomial, d[first, ], control = exact)
new <- d[!first, ]
new$score <- predict(half, new)
recalibrated <- glm(fracture ~ score, binomial, new, control = exact)
large <- glm(fracture ~ offset(score), binomial, new, control = exact)
limits <- function(fit, place) {
  error <- sqrt(diag(vcov(update(fit, start = coef(fit)))))[place]
  coef(fit)[place] + c(0, -1, 1) * qnorm(0.975) * error
}
put("calibration_slope", limits(recalibrated, 2))
put("calibration_intercept", limits(large, 1))
at <- seq(min(plogis(new$score)), max(plogis(new$score)), length.out = 9)
curve <- predict(update(recalibrated, start = coef(recalibrated)),
                 data.frame(score = qlogis(at)), se.fit = TRUE)
put("calibration_curve", plogis(curve$fit))
put("calibration_curve_low", plogis(curve$fit - qnorm(0.975) * curve$se.fit))
put("calibration_curve_high", plogis(curve$fit + qnorm(0.975) * curve$se.fit))
finish("Hmisc")
