# A quantity: lm with its tests, and the penalised path of glmnet's family gaussian.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
source(file.path(here, "common.R"))
suppressMessages({
  library(glmnet)
  library(Hmisc)
})
d <- table_of("graded")
fit <- lm(density ~ age + male + uneven, data = d)
about <- summary(fit)
put("lm_coefficients", coef(fit))
put("lm_se", about$coefficients[, 2])
put("lm_p", about$coefficients[, 4])
put("lm_limits", confint(fit))
put("lm_sigma", about$sigma)
put("lm_r2", about$r.squared)
smaller <- lm(density ~ age, data = d)
tests <- anova(smaller, fit)
put("anova", c(tests$F[2], tests$`Pr(>F)`[2]))
residual <- residuals(fit)^2
koenker <- nrow(d) * summary(lm(residual ~ age + male + uneven, data = d))$r.squared
put("equal_variance", c(koenker, pchisq(koenker, 3, lower.tail = FALSE)))

x <- as.matrix(d[, grep("^f[0-9]", names(d))])
y <- d$density
path <- glmnet(x, y, thresh = 1e-20, maxit = 1e7)
put("lambda", path$lambda)
put("nonzero", path$df)
put("deviance_ratio", path$dev.ratio)
at <- path$lambda[1] * c(0.8, 0.5, 0.3, 0.1, 0.03, 0.005)
put("penalties", at)
put("lasso", as.matrix(coef(glmnet(x, y, lambda = at, thresh = 1e-20, maxit = 1e7))))
put("elastic_net", as.matrix(coef(glmnet(x, y, alpha = 0.4, lambda = at, thresh = 1e-20,
                                         maxit = 1e7))))
cv <- cv.glmnet(x, y, foldid = d$fold, lambda = path$lambda, thresh = 1e-20, maxit = 1e7)
put("cv_error", cv$cvm)
put("cv_error_se", cv$cvsd)
put("lambda_min", cv$lambda.min)
put("lambda_1se", cv$lambda.1se)

# Measures of predictions, here those of a simple rule, with their definitions.
predicted <- round(120 - 0.6 * (d$age - 66) - 8 * d$uneven, 6) # equal ones tie
level <- 108
error <- predicted - y
put("measures", c(
  1 - sum(error^2) / sum((y - level)^2), sqrt(mean(error^2)), mean(abs(error)),
  cor(predicted, y), cor(predicted, y, method = "spearman"), rev(coef(lm(y ~ predicted))),
  mean(error), mean(error) - 1.96 * sd(error), mean(error) + 1.96 * sd(error)))
finish(c("glmnet", "Hmisc"))
