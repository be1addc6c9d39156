# Elastic net by glmnet on synthetic data, for tests/reference/test_elastic_net.py.
# Usage: Rscript elastic_net.R   (in this folder; reads elastic_net.tsv, writes elastic_net_output.tsv)
# 120 rows, 40 features in correlated groups; fold: fixed folds of the cross-validation.
library(glmnet)
data <- read.delim("elastic_net.tsv")
x <- as.matrix(data[, grepl("^f", names(data)) & names(data) != "fold"])
y <- data$outcome
out <- data.frame(what = character(), alpha = numeric(), key = character(), value = numeric())
add <- function(what, alpha, key, value) {
  out <<- rbind(out, data.frame(what = what, alpha = alpha, key = key, value = value))
}
glmnet.control(fdev = 0, devmax = 1)
for (alpha in c(1, 0.5, 0.1)) {
  fit <- glmnet(x, y, family = "binomial", alpha = alpha, thresh = 1e-16, maxit = 1e7)
  add("lambda_max", alpha, "", fit$lambda[1])
  for (s in c(0.3, 0.1, 0.03)) {
    at <- s * fit$lambda[1]
    exact <- glmnet(x, y, family = "binomial", alpha = alpha, thresh = 1e-16, maxit = 1e7,
                    lambda = at * c(8, 4, 2, 1))
    coefficients <- exact$beta[, 4]
    add("intercept", alpha, format(s), exact$a0[4])
    for (name in names(coefficients)) add(paste0("coef_", name), alpha, format(s), coefficients[name])
  }
  lambdas <- fit$lambda[1] * 10^seq(0, -2, length.out = 30)
  cv <- cv.glmnet(x, y, family = "binomial", alpha = alpha, lambda = lambdas, foldid = data$fold,
                  type.measure = "deviance", thresh = 1e-16, maxit = 1e7)
  add("lambda_min", alpha, "", cv$lambda.min)
  add("lambda_1se", alpha, "", cv$lambda.1se)
  for (i in seq_along(lambdas)) add("deviance", alpha, as.character(i - 1), cv$cvm[i])
}
out$value <- format(out$value, digits = 15, scientific = TRUE, trim = TRUE)
write.table(out, "elastic_net_output.tsv", sep = "\t", row.names = FALSE, quote = FALSE)
cat(R.version.string, "glmnet", as.character(packageVersion("glmnet")), "\n")
