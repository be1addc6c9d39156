# Nested logistic models: anova, and the penalised test by maximising the penalised likelihood.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
source(file.path(here, "common.R"))
d <- clinical_table()
exact <- glm.control(epsilon = 1e-14, maxit = 100)
fit <- function(formula) glm(formula, binomial, d, control = exact)
test <- function(a, b) {
  r <- anova(a, b, test = "LRT")
  c(r$Deviance[2], r$Df[2], r[["Pr(>Chi)"]][2])
}
clinical <- fit(fracture ~ age + vbmd)
put("rad_score", test(clinical, fit(fracture ~ age + vbmd + rad_score)))
put("grade", test(clinical, fit(fracture ~ age + vbmd + grade)))
put("all", test(fit(fracture ~ 1), fit(fracture ~ age + sex + grade + vbmd + rad_score)))

s <- table_of("separated")
x <- cbind(1, scale(as.matrix(s[, c("age", "weight", "marker")])))
penalised <- function(b) {
  eta <- drop(x %*% b)
  p <- plogis(eta)
  sum(s$outcome * eta + plogis(-eta, log.p = TRUE)) +
    0.5 * determinant(crossprod(x * sqrt(p * (1 - p))))$modulus
}
greatest <- function(free) {
  value <- function(b) { full <- numeric(4); full[free] <- b; -penalised(full) }
  b <- numeric(length(free))
  for (i in 1:5) b <- optim(b, value, method = "BFGS",
                            control = list(reltol = 1e-15, maxit = 1000))$par
  -value(b)
}
put("penalised_marker", 2 * (greatest(1:4) - greatest(1:3)))
put("penalised_weight_marker", 2 * (greatest(1:4) - greatest(1:2)))
finish()
