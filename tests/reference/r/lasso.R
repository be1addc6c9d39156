# L1 path and cross-validation with given folds: glmnet.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
source(file.path(here, "common.R"))
suppressMessages(library(glmnet))
d <- table_of("features")
x <- as.matrix(d[, grep("^f[0-9]", names(d))])
y <- d$outcome
path <- glmnet(x, y, family = "binomial", thresh = 1e-14, maxit = 1e7)
put("lambda", path$lambda)
put("nonzero", path$df)
put("deviance_ratio", path$dev.ratio)
at <- path$lambda[1] * c(0.8, 0.5, 0.3, 0.15, 0.08, 0.05)
put("six_penalties", at)
put("six_coefficients", as.matrix(coef(
  glmnet(x, y, family = "binomial", lambda = at, thresh = 1e-14, maxit = 1e7))))
# With the penalties given, every fold is solved at them; glmnet's own sequences differ by fold.
cv <- cv.glmnet(x, y, family = "binomial", foldid = d$fold, lambda = path$lambda,
                type.measure = "deviance", thresh = 1e-14, maxit = 1e7)
put("deviance", cv$cvm)
put("deviance_se", cv$cvsd)
put("lambda_min", cv$lambda.min)
put("lambda_1se", cv$lambda.1se)
put("coefficients_min", as.matrix(coef(cv, s = "lambda.min")))
put("coefficients_1se", as.matrix(coef(cv, s = "lambda.1se")))
finish("glmnet")
